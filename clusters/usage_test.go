package clusters

import (
	"fmt"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// TestSamplesBounded: two hours of measurements of pods that come and go leave one hour, and a bounded number of series.
func TestSamplesBounded(t *testing.T) {
	s := &samples{series: map[string][]point{}}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 240 {
		now = now.Add(measureEvery)
		p := berth.UsagePoint{At: now, MilliCPUs: i, MemoryMiB: 1 << 40}
		found := kube.Measured{Nodes: map[string]berth.UsagePoint{"a": p, "b": p}, Pods: map[string]berth.UsagePoint{"d/stays": p}}
		for k := range 20 {
			found.Pods[fmt.Sprintf("d/%d-%d", i, k)] = p
		}
		s.at = now
		s.add(found, now)
	}
	if n := len(s.series); n > 2*maxSeries {
		t.Errorf("%d series", n)
	}
	for _, name := range []string{"", "node/a", "pod/d/stays"} {
		points := s.series[name]
		if len(points) != 121 || now.Unix()-points[0].unix != 3600 || points[120].memoryMiB != most {
			t.Errorf("%q has %d points", name, len(points))
		}
	}
	if sum := s.last(""); sum.MilliCPUs != 2*239 {
		t.Errorf("the sum is %+v", sum)
	}
	if s.last("pod/d/230-1") != nil || s.last("pod/d/239-1") == nil {
		t.Error("the last measurement of a pod is not the present one")
	}
	u := usages{of: map[string]*samples{}}
	for i := range 10 * maxMeasured {
		u.get(berth.NewID("s", "g", berth.TypeCluster, fmt.Sprint(i)))
	}
	if len(u.of) > 2*maxMeasured {
		t.Errorf("%d clusters", len(u.of))
	}
}
