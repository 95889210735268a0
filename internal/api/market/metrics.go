package market

import "github.com/prometheus/client_golang/prometheus"

// Metrics is what the market counts, on this server and since its start. It is a prometheus.Collector.
type Metrics struct {
	orders   *prometheus.CounterVec
	revenue  *prometheus.CounterVec
	short    prometheus.Counter
	replays  prometheus.Counter
	repaired prometheus.Counter
}

func newMetrics() *Metrics {
	return &Metrics{
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orders_total", Help: "Orders that reached a status here.",
		}, []string{"status"}),
		revenue: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "order_revenue_total", Help: "What completed orders were paid, in the smallest unit of the currency.",
		}, []string{"currency"}),
		short: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "out_of_stock_total", Help: "Orders refused because there was not enough of something.",
		}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "idempotency_replays_total", Help: "Requests answered with what an earlier one with the same key did.",
			ConstLabels: prometheus.Labels{"kind": "order"},
		}),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "payment_intents_repaired_total", Help: "Payments that a crash or a failure left open and a job resolved.",
		}),
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.orders, m.revenue, m.short, m.replays, m.repaired}
}

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

// reached counts an order's step. The currencies are those of ISO 4217, so the label is bounded.
func (m *Metrics) reached(to Status, currency string, total int64) {
	m.orders.WithLabelValues(string(to)).Inc()
	if to == Completed {
		m.revenue.WithLabelValues(currency).Add(float64(total))
	}
}
