package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"berth.dev/berth"
	"berth.dev/berth/arm"
	"berth.dev/berth/identity"
	"berth.dev/berth/spans"
	"berth.dev/berth/store"
)

// metrics are what Prometheus reads.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	panics   *prometheus.CounterVec
}

func newMetrics(st *store.Store) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "berth_http_request_seconds", Help: "Time to answer a request, by method, resource type and status.",
		Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5},
	}, []string{"method", "kind", "status"})}
	unreadable := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "berth_unreadable_records", Help: "Stored records that were set aside because they cannot be read.",
	}, func() float64 { return float64(st.Unreadable()) })
	m.panics = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "berth_phase_panics_total", Help: "Phases of the engine that panicked, by resource type. The log has each with its stack.",
	}, []string{"type"})
	damaged := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "berth_database_damaged", Help: "1 when the last verification found the database file damaged, else 0.",
	}, func() float64 {
		if st.Damaged() {
			return 1
		}
		return 0
	})
	m.registry.MustRegister(m.requests, m.panics, unreadable, damaged, &resourceCount{store: st}, &conditionGauge{store: st},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// openMetrics are the metrics for who has a token and may read everything: they name groups and computes.
func (s *server) openMetrics(authority *identity.Authority) http.Handler {
	handler := s.metrics.handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := authority.Caller(r, identity.ResourceManager)
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the metrics need a token for Resource Manager; --debug-listen has them without one, for this machine",
				http.StatusUnauthorized)
			return
		}
		may, err := s.access.May(r.Context(), caller.ObjectID, metricsAction)
		switch {
		case err != nil:
			s.unavailable(w, err)
		case !may:
			http.Error(w, "the metrics are of all resources: they need a role on the subscription that may read computes, such as Reader",
				http.StatusForbidden)
		default:
			handler.ServeHTTP(w, r)
		}
	})
}

// metricsAction is what a caller must be permitted on the whole subscription to read the metrics.
const metricsAction = "Microsoft.MachineLearningServices/workspaces/computes/read"

func (m *metrics) panicked(resourceType string) { m.panics.WithLabelValues(resourceType).Inc() }

func (m *metrics) observe(ctx context.Context, o arm.Observation) {
	method := o.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete:
	default:
		method = "other" // strangers may send anything; labels must stay few
	}
	spans.Answered(ctx, method, o.Kind, o.Status)
	m.requests.WithLabelValues(method, o.Kind, strconv.Itoa(o.Status)).Observe(o.Took.Seconds())
}

// resourceCount counts the resources when Prometheus asks.
type resourceCount struct{ store *store.Store }

var resourcesDesc = prometheus.NewDesc("berth_resources", "Resources by type and provisioning state.", []string{"type", "state"}, nil)

// Describe implements prometheus.Collector.
func (*resourceCount) Describe(ch chan<- *prometheus.Desc) { ch <- resourcesDesc }

// Collect implements prometheus.Collector.
func (c *resourceCount) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := c.store.Counts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(resourcesDesc, err)
		return
	}
	for k, n := range counts {
		ch <- prometheus.MustNewConstMetric(resourcesDesc, prometheus.GaugeValue, float64(n), k[0], k[1])
	}
}

// conditionGauge reports each condition of each compute when Prometheus asks.
type conditionGauge struct{ store *store.Store }

var conditionDesc = prometheus.NewDesc("berth_compute_condition",
	"Whether a condition of a compute is met (1), not met (0), or unknown (-1).",
	[]string{"group", "workspace", "compute", "condition", "reason"}, nil)

// Describe implements prometheus.Collector.
func (*conditionGauge) Describe(ch chan<- *prometheus.Desc) { ch <- conditionDesc }

// Collect implements prometheus.Collector.
func (c *conditionGauge) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all, err := c.store.All(ctx, store.Query{Type: berth.TypeCompute})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(conditionDesc, err)
		return
	}
	for _, r := range all {
		for _, is := range r.Body.(*berth.Compute).Status.Health.Conditions {
			met := map[berth.ConditionStatus]float64{berth.ConditionTrue: 1, berth.ConditionFalse: 0}
			value, known := met[is.Status]
			if !known {
				value = -1
			}
			ch <- prometheus.MustNewConstMetric(conditionDesc, prometheus.GaugeValue, value, r.ID.Group,
				r.ID.Parent().Name(), r.ID.Name(), string(is.Type), is.Reason)
		}
	}
}

// serveDebug opens the loopback listener for metrics and profiles. It speaks plain HTTP and takes no token, so it
// answers only to requests that name a loopback host: a page in a browser cannot talk to it by a name of its own.
func (s *server) serveDebug() error {
	if s.config.DebugListen == "off" || s.config.DebugListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.config.DebugListen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s for /debug/: %w; choose another address with --debug-listen, or --debug-listen off",
			s.config.DebugListen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/", http.RedirectHandler("/debug/pprof/", http.StatusFound))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	web := &http.Server{Handler: loopbackOnly(mux), ReadHeaderTimeout: 10 * time.Second}
	s.info.DebugAddress = "http://" + l.Addr().String()
	go func() {
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	s.onStop(func() error { return s.shutdown(web) })
	return nil
}

func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "only for loopback", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
