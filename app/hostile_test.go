package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// TestHostileClusters: each way in which a cluster may try to harm Berth, by its name.
func TestHostileClusters(t *testing.T) {
	s := &site{Server: apptest.New(t, func(c *app.Config) { c.HealthEvery = "1s" }), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	kept := func(kubeconfig string) apptest.Object {
		body := connecting(kubeconfig)
		body["properties"].(apptest.Object)["keepCredential"] = true
		return body
	}
	gone := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }
	h, config := apptest.StartHostile(t, time.Now().AddDate(1, 0, 0), "node-0")
	for name, c := range map[string]struct {
		behave func(http.ResponseWriter, *http.Request)
		code   string
		word   string
	}{
		"redirects": {
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.Endpoint, http.StatusFound) },
			"BadRequest", "redirect",
		},
		"huge": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"metadata":{"name":"`)
			for line := bytes.Repeat([]byte("x"), 1<<20); r.Context().Err() == nil; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, "BadRequest", "more than 512 KiB"},
		"slow": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "", "does not answer"},
		"no Kubernetes": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>welcome</html>") }, "BadRequest",
			"is not Kubernetes",
		},
		"strange version": {strange("/version", `{"gitVersion":"<script>"}`), "BadRequest", "not a version of Kubernetes"},
		"no identity": {
			strange("/api/v1/namespaces/kube-system", `{"apiVersion":"v1","kind":"Namespace","metadata":{}}`),
			"BadRequest", "no UID",
		},
		"refuses": {gone, "AuthorizationFailed", "refused the credential"},
	} {
		h.Be(c.behave)
		edge := s.edge(strings.ReplaceAll(name, " ", "-"))
		r := s.Want(http.StatusCreated, s.Do(http.MethodPut, edge, kept(config)))
		if c.code != "" {
			s.Fails(r, c.code, c.word)
			continue
		}
		// It may pass, so Berth tries again, and the operation reports the reason meanwhile.
		s.Until(name+" to be reported", func() bool {
			op := s.Do(http.MethodGet, r.Header.Get("Azure-AsyncOperation"), nil)
			return strings.Contains(op.Text, "trying again") && strings.Contains(op.Text, c.word)
		})
		s.Succeed(s.Do(http.MethodDelete, edge, nil))
	}

	h.Be(apptest.PretendCluster("uid-1", "node-0"))
	s.put(s.edge("edge"), kept(config))
	reports := func(path, want string) {
		t.Helper()
		s.Until(want, func() bool {
			p := apptest.At(s.get(s.edge("edge")), path)
			return p != nil && strings.Contains(fmt.Sprint(p), want)
		})
	}
	h.Be(gone)
	reports("properties.statusMessage", "credentials")
	reports("properties.connectivityStatus", "Offline")
	h.Be(apptest.PretendCluster("uid-1", "node-0"))
	reports("properties.connectivityStatus", "Connected")
	h.Be(apptest.PretendCluster("uid-2", "node-0"))
	reports("properties.error.message", "Another cluster answers")

	_, config = apptest.StartHostile(t, time.Now().Add(-time.Hour), "node-0")
	s.Fails(s.Do(http.MethodPut, s.edge("old"), kept(config)), "BadRequest", "cannot be trusted", "expired")
}

// strange is a cluster with one answer of its own.
func strange(path, answer string) func(http.ResponseWriter, *http.Request) {
	good := apptest.PretendCluster("uid-1", "node-0")
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			good(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, answer)
	}
}
