package studio

import (
	"fmt"
	"strings"
	"time"

	"berth.dev/berth"
)

// The size of a chart in its own units, and the hour that it shows.
const (
	chartWidth, chartHeight = 480, 120
	chartSpan               = time.Hour
	// chartGap is how far two measurements may lie apart to be joined by a line.
	chartGap = 2 * time.Minute
	// chartRows is one row of the table in so many minutes.
	chartRows = 5 * time.Minute
)

// chart is a series of measurements, drawn, and as a table.
type chart struct {
	Paths, Dots []string // of lines; single measurements
	Most        string   // at the upper edge
	Young       bool     // it has begun a moment ago
	Now, High   string   // the last and the highest measurement; empty without any
	Rows        []chartRow
}

type chartRow struct {
	At    time.Time
	Value string
}

// usageView is the charts of one thing, or why there are none.
type usageView struct {
	*visit
	Message     string
	CPU, Memory chart
}

// Use shows the charts of one thing.
func (v *visit) Use(message string, cpu, memory chart) usageView {
	return usageView{v, message, cpu, memory}
}

// chartView is one chart with its name.
type chartView struct {
	*visit
	chart
	What string // the key of its name
}

// Of shows one chart.
func (u usageView) Of(what string, c chart) chartView { return chartView{u.visit, c, what} }

// sample is one measurement.
type sample struct {
	At    time.Time
	Value int
}

// scale is in which words a value is told, and up to what a chart of it goes.
type scale struct {
	say func(int) string
	top func(int) int
}

// samplesOf are one value of each point of a series.
func samplesOf[T any](series []T, of func(T) sample) (out []sample) {
	for _, p := range series {
		out = append(out, of(p))
	}
	return out
}

// charts draws the CPU and the memory of a series.
func (v *visit) charts(series []berth.UsagePoint) (cpu, memory chart) {
	now := time.Now()
	cpu = draw(samplesOf(series, func(p berth.UsagePoint) sample { return sample{p.At, p.MilliCPUs} }), now, scale{v.CPUs, roundTop})
	memory = draw(samplesOf(series, func(p berth.UsagePoint) sample { return sample{p.At, p.MemoryMiB} }), now, scale{v.Bytes, binaryTop})
	return cpu, memory
}

// draw draws a series.
func draw(series []sample, now time.Time, of scale) (out chart) {
	if len(series) == 0 {
		return out
	}
	high := 0
	for _, p := range series {
		high = max(high, p.Value)
	}
	most := of.top(high)
	out.Most, out.High = of.say(most), of.say(high)
	out.Now = of.say(series[len(series)-1].Value)
	out.Young = now.Sub(series[0].At) < chartRows
	var path strings.Builder
	points := 0
	flush := func() {
		switch text := path.String(); {
		case points == 1:
			out.Dots = append(out.Dots, strings.TrimPrefix(text, "M"))
		case points > 1:
			out.Paths = append(out.Paths, text)
		}
		path.Reset()
		points = 0
	}
	for i, p := range series {
		if i > 0 && p.At.Sub(series[i-1].At) > chartGap {
			flush()
		}
		x := chartWidth * (1 - float64(now.Sub(p.At))/float64(chartSpan))
		y := chartHeight * (1 - float64(p.Value)/float64(most))
		_, _ = fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[points == 0], max(x, 0), y)
		points++
	}
	flush()
	for i, p := range series {
		slot := p.At.Truncate(chartRows)
		if i == len(series)-1 || !series[i+1].At.Truncate(chartRows).Equal(slot) {
			out.Rows = append(out.Rows, chartRow{p.At, of.say(p.Value)})
		}
	}
	return out
}

// roundTop is a round number that is not below n: 1, 2 or 5 with zeros.
func roundTop(n int) int {
	for ten := 10; ; ten *= 10 {
		for _, k := range []int{1, 2, 5} {
			if k*ten >= n {
				return k * ten
			}
		}
	}
}

// binaryTop is a power of two that is not below n.
func binaryTop(n int) int {
	top := 16
	for top < n {
		top *= 2
	}
	return top
}
