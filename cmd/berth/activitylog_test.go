package main

import (
	"net/url"
	"strings"
	"testing"
)

// TestActivityLog: the options become the filter that the server reads; list ends after so many events, export goes through all pages.
func TestActivityLog(t *testing.T) {
	const values = "/subscriptions/" + testSubscription + "/providers/Microsoft.Insights/eventtypes/management/values"
	event := func(name string) string {
		return `{"eventTimestamp":"2026-11-01T00:00:00Z","caller":"` + name + `","operationName":{"value":"X/y/write"},` +
			`"status":{"value":"Failed"},"resourceId":"/a/<b>","httpRequest":{"clientIpAddress":"192.0.2.7"},"correlationId":"c-1"}`
	}
	pages := func() *world {
		w := newWorld(t)
		w.on("GET "+values, `{"value":[`+event("ann")+","+event("bob")+`],"nextLink":"https://`+w.host()+values+`?$skiptoken=x"}`,
			`{"value":[`+event("eve")+`]}`)
		return w
	}
	w := pages()
	out := w.ok(strings.Fields("monitor activity-log list --start-time 2026-11-01 --end-time 2026-11-02T08:00:00Z --caller o'neill -g team " +
		"--correlation-id c-1 --resource-id '/a/b' --namespace Microsoft.X --status Failed --max-events 2 -o table")...)
	if !strings.Contains(out, "ann") || !strings.Contains(out, "bob") || strings.Contains(out, "eve") || !strings.Contains(out, "192.0.2.7") {
		t.Errorf("list shows\n%s", out)
	}
	const filter = "$filter=eventTimestamp ge 2026-11-01T00:00:00Z and eventTimestamp le 2026-11-02T08:00:00Z and " +
		"correlationId eq 'c-1' and resourceGroupName eq 'team' and resourceId eq '/a/b' and resourceProvider eq 'Microsoft.X' and " +
		"caller eq 'o''neill' and status eq 'Failed'"
	if got := decoded(w.requests("GET")); !strings.HasSuffix(strings.TrimSpace(got), filter) {
		t.Errorf("the request is\n%s\nand should end with\n%s", got, filter)
	}
	w = pages()
	if out := w.ok("monitor", "activity-log", "export", "--end-time", "2026-11-02", "--offset", "1d12h"); strings.Count(out, "\n") != 3 ||
		!strings.Contains(out, `"/a/<b>"`) || strings.Count(out, "192.0.2.7") != 3 {
		t.Errorf("export writes\n%s", out)
	}
	if got := decoded(w.requests("GET")); !strings.Contains(got, "ge 2026-10-31T12:00:00Z and eventTimestamp le 2026-11-02T00:00:00Z") ||
		!strings.Contains(got, "$skiptoken=x") {
		t.Errorf("the requests are\n%s", got)
	}
	for _, wrong := range []string{"--start-time yesterday", "--end-time 2026-13-01", "--offset soon", "--offset ''"} {
		line := append(strings.Fields("monitor activity-log list"), strings.Fields(wrong)...)
		if r := offTerminal(line...); r.code == 0 || !strings.Contains(r.err, strings.Fields(wrong)[0]) {
			t.Errorf("%s: exit %d, %s", wrong, r.code, r.err)
		}
	}
}

// decoded are requests as they are read.
func decoded(requests string) string {
	out, err := url.QueryUnescape(requests)
	if err != nil {
		return err.Error()
	}
	return out
}
