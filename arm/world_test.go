package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

const (
	group     = "Team-RG"
	workspace = "Vision"
)

type object = apptest.Object

// front is a server of its own with a group and a workspace in it, and their ids.
type front struct {
	*apptest.Server
	t                *testing.T
	group, workspace string
}

func newFront(t *testing.T) *front {
	t.Helper()
	t.Parallel()
	s := apptest.New(t)
	return &front{Server: s, t: t, workspace: s.MakeWorkspace(group, workspace), group: s.Group(group)}
}

func (f *front) as(t *testing.T) *front {
	other := *f
	other.t, other.Server = t, f.Server.As(t)
	return &other
}

func (f *front) get(path string) object {
	f.t.Helper()
	return f.Want(http.StatusOK, f.Do(http.MethodGet, path, nil)).Body
}

func (f *front) compute(name string) string { return f.workspace + "/computes/" + name }

// provider is the path of a namespace in the subscription.
func (f *front) provider(namespace, rest string) string {
	return "/subscriptions/" + f.SubscriptionID + "/providers/" + namespace + rest
}

// equal compares the value at a path of an answer.
func (f *front) equal(body any, path string, want any) {
	f.t.Helper()
	if got := apptest.At(body, path); got != want {
		f.t.Errorf("%s is %v, want %v", path, got, want)
	}
}

// names are those of the resources of a list.
func names(list object) string {
	var out []string
	value, _ := list["value"].([]any)
	for _, v := range value {
		name, _ := apptest.At(v, "name").(string)
		out = append(out, name)
	}
	return strings.Join(out, " ")
}
