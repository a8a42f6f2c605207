package router

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics count what happens, by route and version. Who calls an address that is no route cannot make new series.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	mirrors  *prometheus.CounterVec
	scalings *prometheus.CounterVec
	unrouted *prometheus.CounterVec
	events   *prometheus.CounterVec
}

// counts are the series of one version, found once.
type counts struct {
	name    poolName
	seconds prometheus.Observer
	codes   sync.Map // int to prometheus.Counter
	kept    prometheus.Counter
	dropped prometheus.Counter
}

var labels = []string{"kind", "name", "version"}

func newMetrics(r *Router) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "berth_fe_requests_total",
			Help: "Requests by route, version and status code; 499: the client did not wait."}, append(labels, "code")),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "berth_fe_request_seconds",
			Help:    "Time from the head of a request to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}, labels),
		mirrors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "berth_fe_mirrored_total",
			Help: "Mirrored requests by version and what became of them."}, append(labels, "result")),
		scalings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "berth_fe_scalings_total",
			Help: "Changes of the number of replicas that this router made, by direction."}, append(labels, "direction")),
		unrouted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "berth_fe_unrouted_total",
			Help: "Requests that were for no route or did not reach a version, by status code."}, []string{"code"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "berth_fe_collected_total",
			Help: "Events of the data collection by version and what became of them: kept on the disk until Berth fetches them, or dropped."},
			append(labels, "result")),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.mirrors, m.scalings, m.unrouted, m.events, &loadCollector{r},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (n poolName) labels() []string { return []string{string(n.route.Kind), n.route.Name, n.version} }

func (m *metrics) of(n poolName) *counts {
	return &counts{name: n, seconds: m.seconds.WithLabelValues(n.labels()...),
		kept:    m.events.WithLabelValues(append(n.labels(), "kept")...),
		dropped: m.events.WithLabelValues(append(n.labels(), "dropped")...)}
}

func (m *metrics) forget(n poolName) {
	match := prometheus.Labels{"kind": string(n.route.Kind), "name": n.route.Name, "version": n.version}
	m.requests.DeletePartialMatch(match)
	m.seconds.DeletePartialMatch(match)
	m.mirrors.DeletePartialMatch(match)
	m.scalings.DeletePartialMatch(match)
	m.events.DeletePartialMatch(match)
}

// observe counts an exchange that has ended. One that another router handed over was counted there.
func (m *metrics) observe(x *exchange, took time.Duration) {
	switch {
	case x.hopped:
	case x.version == nil:
		m.unrouted.WithLabelValues(strconv.Itoa(x.code)).Inc()
	default:
		c := x.version.count
		c.seconds.Observe(took.Seconds())
		counter, ok := c.codes.Load(x.code)
		if !ok {
			counter, _ = c.codes.LoadOrStore(x.code, m.requests.WithLabelValues(append(c.name.labels(), strconv.Itoa(x.code))...))
		}
		counter.(prometheus.Counter).Inc()
	}
}

func (m *metrics) mirrored(v *version, result string) {
	m.mirrors.WithLabelValues(append(v.name.labels(), result)...).Inc()
}

func (m *metrics) scaled(n poolName, direction string) {
	m.scalings.WithLabelValues(append(n.labels(), direction)...).Inc()
}

// loadCollector reads the pools when somebody asks.
type loadCollector struct{ r *Router }

var (
	spoolDesc   = prometheus.NewDesc("berth_fe_spool_bytes", "Collected data that waits until Berth fetches it.", nil, nil)
	busyDesc    = prometheus.NewDesc("berth_fe_busy", "Requests at replicas, sent by this router.", labels, nil)
	queueDesc   = prometheus.NewDesc("berth_fe_queue", "Requests that wait at this router for a replica.", labels, nil)
	readyDesc   = prometheus.NewDesc("berth_fe_replicas_ready", "Ready replicas.", labels, nil)
	membersDesc = prometheus.NewDesc("berth_fe_members", "Routers of the cluster that this one works with, itself included.", nil, nil)
)

// Describe is part of prometheus.Collector.
func (c *loadCollector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect is part of prometheus.Collector.
func (c *loadCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	pools, present := c.r.snapshot()
	gauge(membersDesc, 1+len(present.peers))
	if c.r.spool != nil {
		size, _ := c.r.spool.usage(false)
		gauge(spoolDesc, int(size))
	}
	for name, p := range pools {
		l := p.load()
		gauge(busyDesc, l.Busy, name.labels()...)
		gauge(queueDesc, l.Queue, name.labels()...)
		gauge(readyDesc, l.Ready, name.labels()...)
	}
}
