package purge

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// Metrics is what purges count. It is a prometheus.Collector.
type Metrics struct {
	db       db.DBTX
	accounts prometheus.Counter
	rows     *prometheus.CounterVec
	due      *prometheus.Desc
	oldest   *prometheus.Desc
}

func newMetrics(d db.DBTX) *Metrics {
	return &Metrics{
		db:       d,
		accounts: prometheus.NewCounter(prometheus.CounterOpts{Name: "purge_accounts_total", Help: "Accounts purged by this server."}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "purge_rows_total",
			Help: "Rows that purges removed, or took a name from, by table."}, []string{"table"}),
		due:    prometheus.NewDesc("purge_accounts_due", "Deleted accounts whose time is over and that are not purged yet.", nil, nil),
		oldest: prometheus.NewDesc("purge_oldest_due_seconds", "For how long the first of them has been due.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.accounts.Describe(ch)
	m.rows.Describe(ch)
	ch <- m.due
	ch <- m.oldest
}

// Collect implements prometheus.Collector. What is due is asked of the database; it is NaN while that does not answer.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.accounts.Collect(ch)
	m.rows.Collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a scrape has no context of its own
	defer cancel()
	due, oldest := math.NaN(), math.NaN()
	if b, err := db.New(m.db).PurgeBacklog(ctx); err == nil {
		due, oldest = float64(b.Due), b.OldestSeconds
	}
	ch <- prometheus.MustNewConstMetric(m.due, prometheus.GaugeValue, due)
	ch <- prometheus.MustNewConstMetric(m.oldest, prometheus.GaugeValue, oldest)
}
