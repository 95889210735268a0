package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// metadata is what we keep beside a job's arguments.
type metadata struct {
	TraceID string `json:"trace_id"`
}

// observer counts, times and logs every attempt, under the trace of the request that made the job.
type observer struct {
	river.MiddlewareDefaults
	log     *slog.Logger
	metrics *Metrics
}

// Work implements rivertype.WorkerMiddleware.
func (o *observer) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) error {
	var m metadata
	_ = json.Unmarshal(job.Metadata, &m) // a job inserted by hand has no trace
	ctx = telemetry.Resume(ctx, m.TraceID)
	start, result := time.Now(), "panicked"
	defer func() { o.metrics.attempts.WithLabelValues(job.Kind, result).Observe(time.Since(start).Seconds()) }()
	err := inner(ctx)
	result = "done"
	switch {
	case errors.Is(err, &rivertype.JobSnoozeError{}):
		result = "later"
	case err != nil:
		result = "failed"
		level := slog.LevelWarn
		if errors.Is(err, &rivertype.JobCancelError{}) {
			result = "cancelled"
		} else if job.Attempt >= job.MaxAttempts {
			level = slog.LevelError
		}
		o.log.Log(ctx, level, "job failed", "kind", job.Kind, "job", job.ID, "attempt", job.Attempt, "of", job.MaxAttempts, "error", err)
	}
	return err
}

// Metrics is what the queue counts. It is a prometheus.Collector.
type Metrics struct {
	pool     *pgxpool.Pool
	attempts *prometheus.HistogramVec
	due      *prometheus.Desc
	oldest   *prometheus.Desc
	givenUp  *prometheus.Desc
}

func newMetrics(pool *pgxpool.Pool) *Metrics {
	return &Metrics{
		pool: pool,
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jobs_attempt_duration_seconds", Help: "Attempts at jobs, by kind and result (done, later, failed, cancelled, panicked).",
			Buckets: []float64{.005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"kind", "result"}),
		due:     prometheus.NewDesc("jobs_due", "Jobs that could run now and wait for a worker.", nil, nil),
		oldest:  prometheus.NewDesc("jobs_oldest_due_seconds", "How long the oldest of them has waited.", nil, nil),
		givenUp: prometheus.NewDesc("jobs_given_up", "Jobs of the last seven days that failed at every attempt.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.attempts.Describe(ch)
	ch <- m.due
	ch <- m.oldest
	ch <- m.givenUp
}

// Collect implements prometheus.Collector. The backlog is asked of the database; it is NaN while that does not answer.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.attempts.Collect(ch)
	due, oldest, givenUp := math.NaN(), math.NaN(), math.NaN()
	if m.pool != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a scrape has no context of its own
		defer cancel()
		q := db.New(m.pool)
		if b, err := q.JobBacklog(ctx); err == nil {
			due, oldest = float64(b.Due), b.OldestSeconds
		}
		if n, err := q.JobsGivenUp(ctx); err == nil {
			givenUp = float64(n)
		}
	}
	for d, v := range map[*prometheus.Desc]float64{m.due: due, m.oldest: oldest, m.givenUp: givenUp} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}

// atLeast is a log without what is below a level: river tells every start and stop.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
