package rules_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/rules"
)

// TestExplain: every fact of the store has a code and says what is in the way and what to do.
func TestExplain(t *testing.T) {
	group := berth.GroupID("s", "g")
	workspace := berth.NewID("s", "g", berth.TypeWorkspace, "eye")
	compute := workspace.Child("computes", "ear")
	cluster := berth.NewID("s", "g", berth.TypeCluster, "k")
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	why := errors.New("why")
	for _, c := range []struct {
		fact  error
		code  berth.Code
		words string
	}{
		{&berth.BusyError{ID: compute, State: berth.StateCreating, Operation: "op"}, berth.CodeBusy, "'ear' Creating op"},
		{&berth.BusyError{ID: compute, State: berth.StateCreating, Holds: true}, berth.CodeBusy, "'ear', has the cluster"},
		{&berth.TakenError{Cluster: cluster, Holder: compute.String(), Since: at, Caller: "id", Name: "ann"}, berth.CodeAlreadyAttached,
			"'k' 'ear' 'eye' 'g' 2026-03-01 09:00 by 'ann' --force"},
		{&berth.TakenError{Cluster: cluster, Holder: "elsewhere", Server: "two"}, berth.CodeAlreadyAttached, "elsewhere another Berth (two)"},
		{&berth.TakenOverError{Cluster: cluster, By: compute, At: at, Caller: "id"}, berth.CodeConflict, "'k' 'ear' by id Detach"},
		{&berth.ParentError{ID: workspace, Parent: group}, berth.CodeGroupNotFound, "'g'"},
		{&berth.ParentError{ID: compute, Parent: workspace}, berth.CodeParentNotFound, "computes eye"},
		{&berth.ParentError{ID: compute, Parent: workspace, Deleting: true}, berth.CodeConflict, "'eye' deleted"},
		{&berth.SupersededError{ID: compute, Verb: berth.VerbDelete}, berth.CodeCanceled, "delete 'ear'"},
		{&berth.IdleError{ID: compute}, berth.CodeConflict, "'ear' cancel"},
		{&berth.FullError{}, berth.CodeStorageFull, "disk full nothing was changed"},
		{&berth.FileError{Path: "/f", Fault: berth.FileForeign}, berth.CodeInternal, "/f another program --data-dir"},
		{&berth.FileError{Path: "/f", Fault: berth.FileNewer, Schema: 9, Own: 7}, berth.CodeInternal, "/f 9 7"},
		{&berth.FileError{Path: "/f", Fault: berth.FileDamaged, Why: "why"}, berth.CodeInternal, "/f why restore"},
		{&berth.FileError{Path: "/f", Fault: berth.FileUnusable, Why: "why"}, berth.CodeInternal, "/f why writable"},
		{&berth.UnreadableError{Name: "ear", Why: why}, berth.CodeUnreadable, "'ear' why Delete backup"},
		{&berth.UnreadableError{Kind: berth.StoredOperation, Name: "op", Why: why}, berth.CodeUnreadable, "'op' why"},
		{&berth.UnreadableError{Kind: berth.StoredChange, Name: "ear"}, berth.CodeUnreadable, "'ear' Repeat"},
		{&berth.UnreadableError{Kind: berth.StoredSecret, Name: "ear", Part: "token", Why: why}, berth.CodeUnreadable,
			"'token' 'ear' why backup"},
	} {
		e := rules.Explain(c.fact)
		if e.Code != c.code {
			t.Errorf("%T: %s, want %s", c.fact, e.Code, c.code)
		}
		for _, word := range strings.Fields(c.words) {
			if !strings.Contains(e.Message, word) {
				t.Errorf("%T does not say %q: %s", c.fact, word, e.Message)
			}
		}
		if c.fact.Error() == "" {
			t.Errorf("%T has no text for the log", c.fact)
		}
	}
}
