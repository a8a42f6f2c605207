package router_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

var noon = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)

func collecting(v route.Version, request, response float64) route.Version {
	v.Collect = &route.Collect{Workspace: "/the/workspace", Source: "/the/deployment", Rolling: route.ByHour, Headers: []string{"x-team"}}
	if request >= 0 {
		v.Collect.Request = &route.Collection{Folder: "modelDataCollector/ep/blue/request", Rate: request}
	}
	if response >= 0 {
		v.Collect.Response = &route.Collection{Folder: "modelDataCollector/ep/blue/response", Rate: response}
	}
	return v
}

// collector is a router with a spool.
type collector struct {
	*front
	spool *router.Spool
	dir   string
}

func startCollecting(t *testing.T, most int64, routes ...route.Route) *collector {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	spool, err := router.OpenSpool(dir, most, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	clock := clockwork.NewFakeClockAt(noon)
	r := router.New(router.Options{Self: "self:1", Clock: clock, Spool: spool})
	apply(t, r, &route.Table{PeerKey: peerKey, Routes: routes})
	s := httptest.NewServer(r)
	closes(t, s)
	return &collector{&front{r, s, clock}, spool, dir}
}

// fetch asks the internal port, as Berth does.
func (c *collector) fetch(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	in := httptest.NewRequest(method, route.CollectedPath+path, nil)
	in.Header.Set(route.HeaderPeer, peerKey)
	c.Internal(c.Known).ServeHTTP(w, in)
	return w
}

type event map[string]any

// events fetches what was collected, by the folder of its files, until there are as many events as wanted.
func (c *collector) events(t *testing.T, want int) map[string][]event {
	t.Helper()
	out, n := map[string][]event{}, 0
	eventually(t, func() error {
		var list route.Collected
		if err := json.Unmarshal(c.fetch(t, http.MethodPost, "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for _, g := range list.Segments {
			text := c.fetch(t, http.MethodGet, "/"+g.ID).Body.Bytes()
			if int64(len(text)) != g.Size || g.Workspace != "/the/workspace" || !strings.HasSuffix(g.Path, "/"+g.ID+".jsonl") {
				t.Errorf("%+v with %d bytes", g, len(text))
			}
			for line := range bytes.Lines(text) {
				e := event{}
				if err := json.Unmarshal(line, &e); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				out[filepath.Dir(g.Path)] = append(out[filepath.Dir(g.Path)], e)
				n++
			}
			if got := c.fetch(t, http.MethodDelete, "/"+g.ID); got.Code != http.StatusNoContent {
				t.Error(got.Code)
			}
			if got := c.fetch(t, http.MethodGet, "/"+g.ID); got.Code != http.StatusNotFound {
				t.Errorf("a file that was removed is still there: %d", got.Code)
			}
		}
		if n < want {
			return errors.New("there are not all events yet")
		}
		return nil
	})
	if n != want {
		t.Errorf("%d events, want %d: %v", n, want, out)
	}
	return out
}

// TestCollect: what was asked and answered is kept in the form of the original, in a folder for its time, and nothing secret with it.
func TestCollect(t *testing.T) {
	t.Parallel()
	echo := replica(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{\"answer\":\n[1, 2]}")
	})
	c := startCollecting(t, 1<<20, endpointOf("ep", collecting(versionAt(echo), 1, 1)))
	c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score?size=1", `{"data": [1]}`, "x-request-id: id-1", "X-Team: a", "Cookie: secret")
	c.ask(t, http.MethodGet, "/api/v1/endpoint/ep/swagger.json", "") // no scoring
	c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", `{}`, "Authorization: Bearer wrong")
	all := c.events(t, 2)
	sent, got := all["modelDataCollector/ep/blue/request/2026/03/01/12"], all["modelDataCollector/ep/blue/response/2026/03/01/12"]
	if len(sent) != 1 || len(got) != 1 {
		t.Fatalf("%v", all)
	}
	common := event{"specversion": "1.0", "source": "/the/deployment", "time": "2026-03-01T12:30:00Z", "datacontenttype": "application/json",
		"correlationid": "id-1", "xrequestid": "id-1"}
	for name, want := range map[string]struct {
		event
		more string
	}{
		"request": {sent[0], `{"type":"azureml.inference.request","data":{"data":[1]},"path":"/score?size=1","method":"POST",
			"contentrange":"bytes 0-12/13","headers":{"x-team":"a"}}`},
		"response": {got[0], `{"type":"azureml.inference.response","data":{"answer":[1,2]},"contentrange":"bytes 0-17/18"}`},
	} {
		more := event{}
		if err := json.Unmarshal([]byte(want.more), &more); err != nil {
			t.Fatal(err)
		}
		for k, v := range common {
			more[k] = v
		}
		more["id"] = want.event["id"]
		have, _ := json.Marshal(want.event)
		if wanted, _ := json.Marshal(more); string(have) != string(wanted) {
			t.Errorf("%s:\n%s\nwant\n%s", name, have, wanted)
		}
	}
	if text := c.scrape(t); !strings.Contains(text, `berth_fe_collected_total{kind="endpoint",name="ep",result="kept",version="v1"} 2`) {
		t.Error("the events are not counted")
	}
}

// TestCollectForms: what is no JSON is kept as text or in base 64, a long body is cut, and a large one is kept as it goes by.
func TestCollectForms(t *testing.T) {
	t.Parallel()
	echo := replica(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		_, _ = io.Copy(w, r.Body)
	})
	c := startCollecting(t, 8<<20, endpointOf("ep", collecting(versionAt(echo), 1, 1)))
	long := strings.Repeat("ä", 300<<10) // 600 KiB: it is streamed
	binary := string([]byte{0xff, 0, 1})
	for _, body := range []string{"plain words", binary, long} {
		if a := c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", body, "Content-Type: text/x"); a.body != body {
			t.Errorf("%d bytes came back of %d", len(a.body), len(body))
		}
	}
	for folder, all := range c.events(t, 6) {
		forms := map[string]bool{}
		for _, e := range all {
			switch {
			case e["data"] == "plain words" && e["datacontenttype"] == "text/plain" && e["contentrange"] == "bytes 0-10/11":
				forms["text"] = true
			case e["data_base64"] == base64.StdEncoding.EncodeToString([]byte(binary)) && e["datacontenttype"] == "text/x":
				forms["binary"] = true
			case e["contentrange"] == "bytes 0-262143/614400" && e["data"] == strings.Repeat("ä", 128<<10):
				forms["cut"] = true
			default:
				t.Errorf("%.300v", e)
			}
		}
		if len(forms) != 3 {
			t.Errorf("%s has %v", folder, forms)
		}
	}
}

// TestCollectBounds: sampling keeps a part, and what does not fit is dropped and counted while scoring goes on.
func TestCollectBounds(t *testing.T) {
	t.Parallel()
	s := replica(t, says("hello"))
	c := startCollecting(t, 2000, endpointOf("all", collecting(versionAt(s), 1, -1)), endpointOf("none", collecting(versionAt(s), 0, 0)))
	for range 50 {
		for _, name := range []string{"all", "none"} {
			if a := c.ask(t, http.MethodPost, "/api/v1/endpoint/"+name+"/score", `{"data":[1,2,3]}`); a.code != http.StatusOK {
				t.Fatal(a.code)
			}
		}
	}
	var list route.Collected
	eventually(t, func() error {
		text := c.scrape(t)
		if !strings.Contains(text, `berth_fe_collected_total{kind="endpoint",name="all",result="dropped",version="v1"} 4`) {
			return errors.New(text)
		}
		return nil
	})
	err := json.Unmarshal(c.fetch(t, http.MethodPost, "").Body.Bytes(), &list)
	if err != nil || list.Dropped < 40 || len(list.Segments) != 1 || list.Segments[0].Size > 2000 {
		t.Errorf("%+v, %v", list, err)
	}
	none := httptest.NewRecorder()
	c.Internal(c.Known).ServeHTTP(none, httptest.NewRequest(http.MethodPost, route.CollectedPath, nil))
	if none.Code != http.StatusForbidden {
		t.Errorf("without the key of the routers: %d", none.Code)
	}
	c.fetch(t, http.MethodDelete, "/"+list.Segments[0].ID)
	c.ask(t, http.MethodPost, "/api/v1/endpoint/all/score", `{}`) // there is room again
	c.events(t, 1)
}

// TestSpoolIsFoundAgain: what a router has collected is there after it was killed, but for the line that it was writing.
func TestSpoolIsFoundAgain(t *testing.T) {
	t.Parallel()
	c := startCollecting(t, 1<<20, endpointOf("ep", collecting(versionAt(replica(t, says("hello"))), 1, -1)))
	c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", `{"n":1}`)
	if err := c.spool.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"half":`); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), os.WriteFile(filepath.Join(c.dir, "x.events"), []byte("junk"), 0o600)); err != nil {
		t.Fatal(err)
	}
	again, err := router.OpenSpool(c.dir, 1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	all := again.Seal()
	if len(all) != 1 || !strings.HasPrefix(all[0].Path, "modelDataCollector/ep/blue/request/2026/03/01/12/") {
		t.Fatalf("%+v", all)
	}
	read, err := again.Read(all[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(read)
	if _ = read.Close(); err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"data":{"n":1}`) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestCollectedBeforeTheEnd: a router that ends waits until Berth has fetched what it has.
func TestCollectedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	spool, err := router.OpenSpool(filepath.Join(t.TempDir(), "spool"), 1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	table := tableOf(endpointOf("ep", collecting(versionAt(replica(t, says("hello"))), 1, -1)))
	table.PeerKey = peerKey
	s := serveBy(t, router.Options{Spool: spool}, table)
	ask := func(method, path string) string { // nothing once it has ended
		at := "http://" + s.internal + route.CollectedPath + path
		a, _ := send(t.Context(), http.DefaultClient, method, at, "", route.HeaderPeer+": "+peerKey)
		return a.body
	}
	score := func() (answer, error) {
		return send(t.Context(), http.DefaultClient, http.MethodPost, "http://"+s.http+"/api/v1/endpoint/ep/score", "{}")
	}
	if a, err := score(); err != nil || a.code != http.StatusOK {
		t.Fatal(a, err)
	}
	s.stop()
	eventually(t, func() error { // it takes no requests any more
		if _, err := score(); err == nil {
			return errors.New("it goes on")
		}
		return nil
	})
	fetched := 0
	for len(s.ended) == 0 {
		var list route.Collected
		_ = json.Unmarshal([]byte(ask(http.MethodPost, "")), &list)
		for _, g := range list.Segments {
			fetched += strings.Count(ask(http.MethodGet, "/"+g.ID), "azureml.inference.request")
			ask(http.MethodDelete, "/"+g.ID)
		}
	}
	if err := want(t, s.ended); err != nil || fetched == 0 {
		t.Errorf("%d events were fetched, and it ended with %v", fetched, err)
	}
}

// TestCollectOfScript: what a scoring script collects by itself is kept for the version whose replica sends it, as the original does.
func TestCollectOfScript(t *testing.T) {
	t.Parallel()
	v := collecting(route.Version{Name: "v1", Backend: route.Backend{Addresses: []string{"10.1.2.3:5001", "[fd00::7]:5001"}}}, 1, -1)
	v.Collect.Custom = map[string]*route.Collection{"model_inputs": {Folder: "modelDataCollector/ep/blue/model_inputs", Rate: 1},
		"never": {Folder: "modelDataCollector/ep/blue/never"}}
	other := route.Version{Name: "v2", Backend: route.Backend{Addresses: []string{"10.1.2.4:5001"}}}
	both := endpointOf("ep", v)
	both.Versions = append(both.Versions, other)
	c := startCollecting(t, 1<<20, both)
	send := func(from, collection, body string, headers ...string) string {
		t.Helper()
		w := httptest.NewRecorder()
		in := httptest.NewRequest(http.MethodPost, route.ModelDataPath, strings.NewReader(body))
		in.RemoteAddr = from
		in.Header.Set("ce-type", "azureml.inference."+collection)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			in.Header.Set(name, value)
		}
		c.Internal(c.Known).ServeHTTP(w, in)
		return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
	}
	const frame = `[{"a":1,"b":2}]`
	of := []string{"Content-Type: application/json", "ce-time: 1772368200", "ce-x-request-id: id-1", "ce-model-version: default",
		"ce-collect-data-type: pandas.core.frame.DataFrame", "ce-agent: azureml-ai-monitoring/1.0.0"}
	for from, want := range map[string]string{"10.1.2.3:40000": "200", "[::ffff:10.1.2.3]:1": "200", "[fd00::7]:2": "200",
		"10.1.2.4:1": "404", "10.1.2.5:1": "403", "nowhere": "403"} {
		if got := send(from, "Model_Inputs", frame, of...); !strings.HasPrefix(got, want) {
			t.Errorf("from %s: %s", from, got)
		}
	}
	for collection, want := range map[string]string{"never": "200 ",
		"request": `404 the deployment does not collect "request"`,
		"":        `404 the deployment does not collect ""`} {
		if got := send("10.1.2.3:1", collection, frame); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", collection, got)
		}
	}
	all := c.events(t, 3)["modelDataCollector/ep/blue/model_inputs/2026/03/01/12"]
	if len(all) != 3 {
		t.Fatalf("%v", all)
	}
	have, want := all[0], `{"agent":"azureml-ai-monitoring/1.0.0","collectdatatype":"pandas.core.frame.DataFrame",`+
		`"contentrange":"bytes 0-14/15","correlationid":"id-1","data":[{"a":1,"b":2}],"datacontenttype":"application/json",`+
		`"modelversion":"default","source":"/the/deployment","specversion":"1.0","time":"2026-03-01T12:30:00Z",`+
		`"type":"azureml.inference.model_inputs","xrequestid":"id-1"}`
	delete(have, "id")
	if text, _ := json.Marshal(have); string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	gone := v
	gone.Backend.Addresses = []string{"10.1.2.9:5001"}
	both.Versions[0] = gone
	apply(t, c.Router, &route.Table{PeerKey: peerKey, Routes: []route.Route{both}})
	if got := send("10.1.2.3:1", "model_inputs", frame); !strings.HasPrefix(got, "200") { // a pod that ends still sends what it has
		t.Error(got)
	}
	c.clock.Advance(3 * time.Minute)
	if got := send("10.1.2.3:1", "model_inputs", frame); !strings.HasPrefix(got, "403") {
		t.Error(got)
	}
	late := c.events(t, 1)["modelDataCollector/ep/blue/model_inputs/2026/03/01/12"]
	if len(late) != 1 || late[0]["time"] != "2026-03-01T12:30:00Z" || late[0]["correlationid"] == "" {
		t.Errorf("%v", late)
	}
}
