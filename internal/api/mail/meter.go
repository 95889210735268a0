package mail

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Meter is a Sender that counts what another one does. It is a prometheus.Collector.
type Meter struct {
	next Sender
	sent *prometheus.CounterVec
}

// NewMeter counts the messages of next.
func NewMeter(next Sender) *Meter {
	return &Meter{next: next, sent: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mail_sent_total", Help: "Attempts at sending a mail, by kind and result (sent, deferred, rejected, failed, limited).",
	}, []string{"kind", "result"})}
}

// Send implements Sender.
func (m *Meter) Send(ctx context.Context, msg Message) (string, error) {
	id, err := m.next.Send(ctx, msg)
	result := "sent"
	switch {
	case errors.Is(err, ErrRejected):
		result = "rejected"
	case errors.Is(err, ErrDeferred):
		result = "deferred"
	case err != nil:
		result = "failed"
	}
	m.sent.WithLabelValues(msg.Kind, result).Inc()
	return id, err
}

// Limited counts a message that was not sent because its address has had its share.
func (m *Meter) Limited(kind string) { m.sent.WithLabelValues(kind, "limited").Inc() }

// Describe implements prometheus.Collector.
func (m *Meter) Describe(ch chan<- *prometheus.Desc) { m.sent.Describe(ch) }

// Collect implements prometheus.Collector.
func (m *Meter) Collect(ch chan<- prometheus.Metric) { m.sent.Collect(ch) }
