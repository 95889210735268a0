package breaker

import "github.com/prometheus/client_golang/prometheus"

// Metrics returns what shows the breaker on /metrics, labelled with the service's name.
func (b *Breaker) Metrics() []prometheus.Collector {
	service := prometheus.Labels{"service": b.name}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "circuit_breaker_state", Help: "0: calls are made, 1: one is tried, 2: calls are refused.", ConstLabels: service,
		}, func() float64 { return float64(b.State()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "circuit_breaker_trips_total", Help: "Times the breaker opened, also again after a try that failed.", ConstLabels: service,
		}, func() float64 { return float64(b.trips.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "circuit_breaker_rejections_total", Help: "Calls that were not made because the service was failing.", ConstLabels: service,
		}, func() float64 { return float64(b.rejections.Load()) }),
	}
}
