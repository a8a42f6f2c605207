package clusters

import (
	"fmt"
	"testing"
	"time"
)

// told is what a router tells of one route, in the words of router/metrics.go: counts of requests by status, and how many took at most
// 0.1, 1 and more seconds.
func told(name string, good, bad, fast, slow, all int) string {
	const labels = `kind="service",name="%[1]s",version="blue"`
	return fmt.Sprintf("# HELP berth_fe_requests_total Requests\n"+
		"berth_fe_requests_total{code=\"200\","+labels+"} %[2]d\nberth_fe_requests_total{code=\"503\","+labels+"} %[3]d\n"+
		"berth_fe_request_seconds_bucket{"+labels+",le=\"0.1\"} %[4]d\nberth_fe_request_seconds_bucket{"+labels+",le=\"1\"} %[5]d\n"+
		"berth_fe_request_seconds_bucket{"+labels+",le=\"+Inf\"} %[6]d\nberth_fe_replicas_ready{"+labels+"} 2\nnonsense{\ngo_threads 7\n",
		name, good, bad, fast, slow, all)
}

// TestTraffic: requests, errors and times between two looks; routers add up, one that was started anew counts from zero, and what is older
// than an hour goes.
func TestTraffic(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	f := &flow{series: map[string][]trafficPoint{}}
	look := func(after time.Duration, routers ...string) trafficPoint {
		found := map[string]counts{}
		for i, text := range routers {
			found[fmt.Sprint("router-", i)] = readCounts([]byte(text))
		}
		now = now.Add(after)
		f.add(found, now, after)
		points := f.series["service/a"]
		return points[len(points)-1]
	}
	look(time.Minute, told("a", 1000, 50, 1000, 1050, 1050), told("a", 10, 0, 10, 10, 10))
	p := look(30*time.Second, told("a", 1080, 70, 1050, 1150, 1150), told("a", 10, 0, 10, 10, 10))
	if p.requests != 200 || p.errors != 40 || p.median != 100 || p.slow != 982 || p.ready != 2 {
		t.Errorf("%+v", p)
	}
	if p = look(time.Minute, told("a", 6, 0, 6, 6, 6), told("a", 10, 0, 10, 10, 10)); p.requests != 6 || p.errors != 0 || p.median != 50 {
		t.Errorf("a router that was started anew: %+v", p)
	}
	if p = look(time.Minute, told("a", 6, 0, 6, 6, 6), told("a", 10, 0, 10, 10, 10)); p.requests != 0 || p.median != 0 || p.slow != 0 {
		t.Errorf("no requests: %+v", p)
	}
	look(2*time.Hour, told("a", 6, 0, 6, 6, 6))
	if n := len(f.series["service/a"]); n != 1 {
		t.Errorf("%d points after two hours", n)
	}
}

// TestReadCounts: what is no line of a router's is passed over, and no text makes more routes than are kept.
func TestReadCounts(t *testing.T) {
	for line, want := range map[string]float64{
		`berth_fe_requests_total{kind="service",name="a",code="200"} 3`: 3, `berth_fe_requests_total{kind="service",name="a\"}",code="200"} 3`: 0,
		`berth_fe_requests_total{kind="service",name="a" 3`: 0, `berth_fe_requests_total{kind="service",name="a",code="200"} -3`: 0,
		`berth_fe_requests_total{kind="service",name="a",code="200"} NaN`: 0, `berth_fe_requests_total{name="a"} 3`: 0, "{": 0, "": 0,
	} {
		got := 0.0
		if r := readCounts([]byte(line))["service/a"]; r != nil {
			got = r.requests
		}
		if got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	var text string
	for i := range 2 * maxRoutes {
		text += fmt.Sprintf("berth_fe_replicas_ready{kind=\"service\",name=\"n%d\"} 1\n", i)
	}
	if n := len(readCounts([]byte(text))); n != maxRoutes {
		t.Errorf("%d routes", n)
	}
}
