package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

const (
	contributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	reader      = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	acrPull     = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
)

// TestCallersFromBeforeRoles: on a data folder from before there were roles, those that have a role keep it and no more, and the others,
// which could do everything, can still. A caller that is made afterwards can do nothing, and no later start changes that.
func TestCallersFromBeforeRoles(t *testing.T) {
	dir := t.TempDir()
	s := apptest.In(t, dir)
	id := s.MakeWorkspace("team", "vision")
	old, ofRole := s.NewCaller("old"), s.NewCaller("of-role")
	s.Assign(ofRole.ObjectID, reader, s.Group("team"))
	s.Stop()
	before(t, dir, ofRole.ObjectID)

	s = apptest.In(t, dir)
	fresh := s.NewCaller("fresh")
	s.Stop()
	s = apptest.In(t, dir)
	for name, c := range map[string]struct {
		caller *apptest.Caller
		status int // of a change
	}{"old": {old, http.StatusOK}, "of-role": {ofRole, http.StatusForbidden}, "fresh": {fresh, http.StatusForbidden}} {
		as := *s
		as.ClientID = c.caller.ClientID
		as.ClientSecret = c.caller.ClientSecret
		as.Token = as.NewToken(s.Endpoint + "/.default")
		if r := as.Do(http.MethodPatch, id, apptest.Object{"tags": apptest.Object{"a": "b"}}); r.Status != c.status {
			t.Errorf("%s changes the workspace: %d %s", name, r.Status, r.Text)
		}
	}
	s.Want(http.StatusOK, s.Do(http.MethodGet, id, nil))
}

// before makes a data folder one from before there were roles: no caller has the mark, and only one has a role.
func before(t *testing.T, dir, ofRole string) {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(dir, "berth.db"), store.Options{Clock: clockwork.NewRealClock(), Explain: rules.Explain})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all, err := db.Applications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		a.ByRoles = false
		if err := db.PutApplication(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.All(t.Context(), store.Query{Type: berth.TypeRoleAssignment, Subscription: ""})
	if err != nil {
		t.Fatal(err)
	}
	removed := 0
	for _, r := range rows {
		if r.Body.(*berth.Record).Properties()["principalId"] == ofRole {
			continue
		}
		if _, _, err := db.Accept(t.Context(), store.Change{Verb: berth.VerbDelete, Settled: true, Resource: r}); err != nil {
			t.Fatal(err)
		}
		removed++
	}
	if removed == 0 {
		t.Fatal("there was no Owner")
	}
}

// TestRegistryByRole: who may pull and who may push is a matter of roles, as Azure's AcrPull has it.
func TestRegistryByRole(t *testing.T) {
	s := apptest.New(t)
	image, err := random.Image(1<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref := reference(t, s, "team/model:1")
	if err := remote.Write(ref, image, registryClient(s, s.ClientID, s.ClientSecret)...); err != nil {
		t.Fatal(err)
	}
	nobody, puller := s.NewCaller("nobody"), s.NewCaller("puller")
	pusher := s.NewCaller("pusher")
	s.Assign(puller.ObjectID, acrPull, "/subscriptions/"+s.SubscriptionID)
	s.Assign(pusher.ObjectID, contributor, "/subscriptions/"+s.SubscriptionID)
	for _, c := range []struct {
		as         *apptest.Caller
		pull, push bool
	}{{nobody, false, false}, {puller, true, false}, {pusher, true, true}} {
		as := registryClient(c.as.Server, c.as.ClientID, c.as.ClientSecret)
		_, err := remote.Get(ref, as...)
		if (err == nil) != c.pull || err != nil && !strings.Contains(err.Error(), "registries/pull/read") {
			t.Errorf("pull: %v", err)
		}
		err = remote.Tag(ref.Context().Tag("2"), image, as...)
		if (err == nil) != c.push || err != nil && !strings.Contains(err.Error(), "registries/pu") {
			t.Errorf("push: %v", err)
		}
	}
}
