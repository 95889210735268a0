package media

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/postgres/db"
)

// Metrics is what pictures are counted by. It is a prometheus.Collector.
type Metrics struct {
	queries *db.Queries
	results *prometheus.CounterVec
	stages  *prometheus.HistogramVec
	orphans prometheus.Gauge
	oldest  *prometheus.Desc
}

func newMetrics(q *db.Queries) *Metrics {
	m := &Metrics{
		queries: q,
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "media_jobs_total", Help: "Pictures by what became of them: ready, a failure code, retried or rescued.",
		}, []string{"result"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "media_pipeline_seconds", Help: "Time of the stages of a picture: fetch, decode, scale, encode, store.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"stage"}),
		orphans: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "media_orphans", Help: "Objects in the store that no row knew, at the last clean-up of this server.",
		}),
		oldest: prometheus.NewDesc("media_oldest_pending_seconds", "How long the oldest upload has waited to become a picture.", nil, nil),
	}
	for _, c := range picture.Codes() { // a rate over a series that is not there yet misses its first event
		m.results.WithLabelValues(string(c))
	}
	m.results.WithLabelValues(string(Ready))
	return m
}

func (m *Metrics) stage(name string, took time.Duration) {
	m.stages.WithLabelValues(name).Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.results.Describe(ch)
	m.stages.Describe(ch)
	m.orphans.Describe(ch)
	ch <- m.oldest
}

// Collect implements prometheus.Collector. The backlog is asked of the database; it is NaN while that does not answer.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.results.Collect(ch)
	m.stages.Collect(ch)
	m.orphans.Collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a scrape has no context of its own
	defer cancel()
	oldest := math.NaN()
	if b, err := m.queries.MediaBacklog(ctx); err == nil {
		oldest = b.OldestSeconds
	}
	ch <- prometheus.MustNewConstMetric(m.oldest, prometheus.GaugeValue, oldest)
}
