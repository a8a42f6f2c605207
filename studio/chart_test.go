package studio

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestChart: a line breaks where measurements are missing, a single one is a dot, and the table has a row for five minutes.
func TestChart(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var series []sample
	for _, ago := range []time.Duration{60, 59, 30, 2, 1} {
		series = append(series, sample{now.Add(-ago * time.Minute), int(ago)})
	}
	of := scale{func(n int) string { return fmt.Sprint(n) }, roundTop}
	c := draw(series, now, of)
	if !slices.Equal(c.Paths, []string{"M0.0 48.0L8.0 49.2", "M464.0 117.6L472.0 118.8"}) || !slices.Equal(c.Dots, []string{"240.0 84.0"}) {
		t.Errorf("%q, %q", c.Paths, c.Dots)
	}
	if c.Most != "100" || c.High != "60" || c.Now != "1" || len(c.Rows) != 3 || c.Young || c.Rows[0].Value != "59" {
		t.Errorf("%+v", c)
	}
	if empty := draw(nil, now, of); empty.Now != "" || empty.Paths != nil {
		t.Errorf("%+v", empty)
	}
	for n, want := range map[int]int{0: 10, 10: 10, 11: 20, 21: 50, 99: 100, 100: 100, 101: 200, 501: 1000} {
		if got := roundTop(n); got != want {
			t.Errorf("%d is below %d, want %d", n, got, want)
		}
	}
	if got := []int{binaryTop(0), binaryTop(16), binaryTop(17), binaryTop(2049)}; !slices.Equal(got, []int{16, 16, 32, 4096}) {
		t.Errorf("memory goes up to %d", got)
	}
	v := &visit{}
	for milli, want := range map[int]string{
		0: "0", 6: "0.006", 100: "0.1", 256: "0.26", 1000: "1", 1250: "1.25", 20_500: "20.5", 500_000: "500",
	} {
		if got := v.CPUs(milli); got != want {
			t.Errorf("%d thousandths are %s, want %s", milli, got, want)
		}
	}
}
