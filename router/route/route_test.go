package route_test

import (
	"net/url"
	"path"
	"reflect"
	"strings"
	"testing"

	"berth.dev/berth/router/route"
)

func full() *route.Table {
	return &route.Table{PeerKey: strings.Repeat("p", 16), TokenKeys: []byte(`{"keys":[]}`), Routes: []route.Route{
		{Name: route.Name{Kind: route.Service, Name: "x"}, Auth: route.ByKey, Keys: []route.KeyHash{route.HashKey("one")},
			CORS: []string{"*"}, Versions: []route.Version{{Name: "v1", Default: true, Concurrency: 1, MaxQueueWaitMS: 500, TimeoutMS: 60000,
				Backend:   route.Backend{Namespace: "azureml-ws", Service: "x", Port: "http"},
				Autoscale: &route.Autoscale{Deployment: "x", Min: 1, Max: 10, TargetUtilization: 70, RefreshSeconds: 1}}}},
		{Name: route.Name{Kind: route.Endpoint, Name: "x"}, Auth: route.ByToken, Versions: []route.Version{
			{Name: "blue", Traffic: 90, Backend: route.Backend{Addresses: []string{"127.0.0.1:5001"}}},
			{Name: "green", Traffic: 10, Mirror: 5, ScorePath: "/v1/models/m:predict", Backend: route.Backend{Namespace: "n", Service: "s"}}}},
	}}
}

func TestRoundTrip(t *testing.T) {
	text, err := full().JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := route.Parse(text)
	if err != nil || !reflect.DeepEqual(got, full2(full(), got)) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, field := range []string{`"kind":"service"`, `"name":"x"`, `"auth":"token"`, `"maxQueueWaitMs":500`, `"timeoutMs":60000`} {
		if !strings.Contains(string(text), field) {
			t.Errorf("%s is not in %s", field, text)
		}
	}
}

// full2 gives the keys their salts, which differ each time.
func full2(want, got *route.Table) *route.Table {
	want.Routes[0].Keys = got.Routes[0].Keys
	return want
}

func TestRefusedTables(t *testing.T) {
	for name, spoil := range map[string]func(*route.Table){
		"two of a name":     func(t *route.Table) { t.Routes[1].Kind = route.Service },
		"short peer key":    func(t *route.Table) { t.PeerKey = "short" },
		"no name":           func(t *route.Table) { t.Routes[0].Name.Name = "" },
		"path as a name":    func(t *route.Table) { t.Routes[0].Name.Name = "a/b" },
		"other kind":        func(t *route.Table) { t.Routes[0].Kind = "model" },
		"no mode":           func(t *route.Table) { t.Routes[0].Auth = "" },
		"a key as it is":    func(t *route.Table) { t.Routes[0].Keys[0].Hash = "secret" },
		"origin with lines": func(t *route.Table) { t.Routes[0].CORS = []string{"a\r\nb"} },
		"101 percent":       func(t *route.Table) { t.Routes[1].Versions[1].Traffic = 11 },
		"negative":          func(t *route.Table) { t.Routes[1].Versions[0].Mirror = -1 },
		"two of a version":  func(t *route.Table) { t.Routes[1].Versions[1].Name = "blue" },
		"no backend":        func(t *route.Table) { t.Routes[1].Versions[0].Backend.Addresses = nil },
		"no port":           func(t *route.Table) { t.Routes[1].Versions[0].Backend.Addresses[0] = "127.0.0.1" },
		"upwards":           func(t *route.Table) { t.Routes[1].Versions[1].ScorePath = "/a/../b" },
		"not from the root": func(t *route.Table) { t.Routes[1].Versions[1].ScorePath = "score" },
		"query":             func(t *route.Table) { t.Routes[1].Versions[1].ScorePath = "/score?x" },
		"min above max":     func(t *route.Table) { t.Routes[0].Versions[0].Autoscale.Min = 11 },
		"max 0":             func(t *route.Table) { *t.Routes[0].Versions[0].Autoscale = route.Autoscale{Deployment: "x"} },
		"no deployment":     func(t *route.Table) { t.Routes[0].Versions[0].Autoscale.Deployment = "" },
		"120 percent":       func(t *route.Table) { t.Routes[0].Versions[0].Autoscale.TargetUtilization = 120 },
		"long timeout":      func(t *route.Table) { t.Routes[0].Versions[0].TimeoutMS = 1 << 40 },
	} {
		table := full()
		spoil(table)
		if _, err := table.JSON(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, text := range []string{"", "[]", "{}x", `{"routes":[{"kind":1}]}`} {
		if _, err := route.Parse([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if got, err := route.Parse([]byte(`{"routes":[],"newer":1}`)); err != nil || len(got.Routes) != 0 {
		t.Errorf("a field of a newer Berth: %v", err)
	}
}

// TestDigest: it is the same for what was written and for what is read of it, and not for another table.
func TestDigest(t *testing.T) {
	table := full()
	text, err := table.JSON()
	if err != nil {
		t.Fatal(err)
	}
	read, err := route.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	written, _ := table.Digest()
	table.Routes[0].Versions[0].Autoscale.Min++
	changed, _ := table.Digest()
	if got, err := read.Digest(); err != nil || got != written || got == changed || len(got) != 64 {
		t.Errorf("the digest %q of what was read, %q of what was written, %q of another table: %v", got, written, changed, err)
	}
}

func TestKeys(t *testing.T) {
	a, b := route.HashKey("secret"), route.HashKey("secret")
	if a == b || !a.Matches("secret") || !b.Matches("secret") || a.Matches("other") || (route.KeyHash{}).Matches("") {
		t.Errorf("%+v %+v", a, b)
	}
}

func FuzzParse(f *testing.F) {
	text, err := full().JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"routes":[{"kind":"service","name":"x","auth":"none","versions":[{"name":"v","backend":{"addresses":["x:1"]}}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := route.Parse(text)
		if err != nil {
			return
		}
		again, err := table.JSON()
		if err != nil {
			t.Fatalf("a table that was read cannot be written: %v", err)
		}
		if _, err := route.Parse(again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, p := range []string{"/api/v1/service/x/score",
		"/api/v1/endpoint/x/a%2F..%2Fb", "/api/v1/service/x/..;/y", "/api/v1/service/x", "/"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		name, rest, ok := route.ParsePath(p)
		if !ok {
			return
		}
		if rest == "" || rest[0] != '/' || name.Name == "" || strings.Contains(name.Name, "/") ||
			name.Kind != route.Service && name.Kind != route.Endpoint {
			t.Errorf("%q is %+v and %q", p, name, rest)
		}
		plain, err := url.PathUnescape(rest)
		if err != nil {
			return
		}
		inside := strings.ReplaceAll(plain, `\`, "/")
		if clean := path.Clean("/base" + inside); clean != "/base" && !strings.HasPrefix(clean, "/base/") {
			t.Errorf("%q leads to %q, outside of its container", p, clean)
		}
	})
}
