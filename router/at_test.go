package router_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/router/route"
)

// TestAskedByWayOfAnother: whichever router Berth reaches leads it to the one that it asks, and to nothing else.
func TestAskedByWayOfAnother(t *testing.T) {
	s := replica(t, says("ok"))
	all := several(t, 3, tableOf(serviceOf("x", versionAt(s))), nil)
	var known []string
	for _, f := range all {
		known = append(known, address(f.internal))
	}
	for _, f := range all {
		f.SetKnown(known[:2]) // the third one has not been heard of yet
	}
	for range 3 {
		all[1].ask(t, "POST", "/api/v1/service/x/score", "{}")
	}
	ask := func(by int, path, key string) answer {
		a, err := send(t.Context(), http.DefaultClient, http.MethodGet, all[by].internal.URL+path, "", route.HeaderPeer+": "+key)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	const count = `berth_fe_requests_total{code="200",kind="service",name="x",version="v1"} 3`
	for by := range all {
		for of, counted := range []bool{false, true} {
			a := ask(by, route.AtPath+known[of]+"/metrics", peerKey)
			if a.code != http.StatusOK || strings.Contains(a.body, count) != counted {
				t.Errorf("router %d about router %d: %d, counted %v", by, of, a.code, !counted)
			}
		}
	}
	other := replica(t, says("not a router"))
	for name, c := range map[string]struct {
		path, key string
		code      int
	}{
		"a router that is not known": {known[2] + "/metrics", peerKey, http.StatusBadGateway},
		"no router":                  {address(other) + "/metrics", peerKey, http.StatusBadGateway},
		"no such question":           {known[0] + "/internal/none", peerKey, http.StatusNotFound},
		"a wrong key":                {known[1] + "/metrics", "wrong", http.StatusForbidden},
		"no key":                     {known[0] + "/metrics", "", http.StatusForbidden},
	} {
		if a := ask(0, route.AtPath+c.path, c.key); a.code != c.code || strings.Contains(a.body, "not a router") {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	all[1].internal.Close()
	a := ask(0, route.AtPath+known[1]+"/metrics", peerKey)
	if a.code != http.StatusBadGateway || !strings.Contains(a.body, "does not answer") {
		t.Errorf("a router that is gone: %d %s", a.code, a.body)
	}
}
