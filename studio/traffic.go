package studio

import (
	"strconv"
	"time"

	"berth.dev/berth"
)

// trafficView is what the router counted of an endpoint in the last hour, or why there is nothing.
type trafficView struct {
	Message                               string
	Requests, Errors, Median, Slow, Ready chart
}

// traffic reads what the router has counted.
func (v *visit) traffic(compute berth.ID, e endpointView) (out trafficView) {
	query := berth.TrafficQuery{Kind: "service", Name: e.Name}
	if e.Online {
		query.Kind = "endpoint"
	}
	found, err := v.arm.Traffic(v.r.Context(), compute, query)
	if err != nil {
		return trafficView{Message: v.Said(err.Error())}
	}
	now := time.Now()
	count := scale{strconv.Itoa, roundTop}
	span := scale{func(ms int) string { return v.T("traffic.ms", ms) }, roundTop}
	of := func(value func(berth.TrafficPoint) int, in scale) chart {
		return draw(samplesOf(found.Series, func(p berth.TrafficPoint) sample { return sample{p.At, value(p)} }), now, in)
	}
	out.Message = found.Message
	out.Requests = of(func(p berth.TrafficPoint) int { return p.Requests }, count)
	out.Errors = of(func(p berth.TrafficPoint) int { return p.Errors }, count)
	out.Ready = of(func(p berth.TrafficPoint) int { return p.Ready }, count)
	var answered []berth.TrafficPoint // without requests there is no time
	for _, p := range found.Series {
		if p.Requests > 0 {
			answered = append(answered, p)
		}
	}
	found.Series = answered
	out.Median = of(func(p berth.TrafficPoint) int { return p.MedianMS }, span)
	out.Slow = of(func(p berth.TrafficPoint) int { return p.SlowMS }, span)
	return out
}

// flowView is the charts of an endpoint.
type flowView struct {
	*visit
	trafficView
}

// Flow shows the charts of an endpoint.
func (v *visit) Flow(t trafficView) flowView { return flowView{v, t} }

// Of shows one chart.
func (f flowView) Of(what string, c chart) chartView { return chartView{f.visit, c, what} }
