package cache

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is what a Cache counts.
type Metrics struct {
	requests   *prometheus.CounterVec
	evictions  *prometheus.CounterVec
	load       prometheus.Histogram
	bustLag    prometheus.Histogram
	divergence prometheus.Counter
	rechecks   *prometheus.CounterVec
	weight     prometheus.GaugeFunc
}

func newMetrics(weight func() float64) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cache_requests_total",
			Help: "Requests for answers that may be kept, by operation and result: hit, negative (a kept 404), miss, stale (overtaken by a write while it was loaded), bypass.",
		}, []string{"cache", "result"}),
		evictions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cache_evictions_total", Help: "Kept answers that were dropped, by cause: busted, cut (busts could not be read), expired, size.",
		}, []string{"cause"}),
		load: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cache_load_seconds", Help: "Time to make an answer that was not there.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		bustLag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cache_bust_lag_seconds", Help: "Time from a bust being written, which is before its commit, to its being applied here, by the database's clock.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .15, .25, .5, 1, 5},
		}),
		divergence: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cache_divergence_total", Help: "Kept answers that the database no longer gives, and that no bust explains. Anything but 0 is a bug.",
		}),
		rechecks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cache_rechecks_total", Help: "Kept answers that were made again to compare, by result: same, overtaken (a bust was on its way), divergent, unknown (it could not be made).",
		}, []string{"result"}),
		weight: prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cache_weight_bytes", Help: "Memory that kept answers take, about."}, weight),
	}
	for _, c := range []string{byBust, byCut, byTime, bySize} {
		m.evictions.WithLabelValues(c)
	}
	for _, r := range []string{"same", "overtaken", "divergent", "unknown"} {
		m.rechecks.WithLabelValues(r)
	}
	return m
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.evictions, m.load, m.bustLag, m.divergence, m.rechecks, m.weight}
}

// ObserveBust notes how long a bust took.
func (m *Metrics) ObserveBust(lag time.Duration) { m.bustLag.Observe(lag.Seconds()) }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

// The causes of an eviction.
const (
	byBust = "busted"
	byCut  = "cut"
	byTime = "expired"
	bySize = "size"
)
