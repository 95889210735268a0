package edge

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// adminHandler serves /metrics. The counts are read from the routing table at scrape time, so a release that left it
// leaves the metrics as well.
func (e *Edge) adminHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(e), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

type collector struct {
	edge                                                                  *Edge
	requests, failed, retried, inFlight, active, unrouted, swaps, refused *prometheus.Desc
}

func newCollector(e *Edge) *collector {
	per := []string{"app", "release"}
	desc := func(name, help string, labels []string) *prometheus.Desc {
		return prometheus.NewDesc("platctl_edge_"+name, help, labels, nil)
	}
	return &collector{
		edge:     e,
		requests: desc("requests_total", "Requests routed to a release.", per),
		failed:   desc("failed_total", "Answers of 500 and above and upstream errors of a release.", per),
		retried:  desc("retried_total", "Requests a release could not take and another one took.", per),
		inFlight: desc("in_flight", "Requests under way at a release.", per),
		active:   desc("active", "1 for the release in charge, 0 for the others.", per),
		unrouted: desc("unrouted_total", "Requests for which there was no release.", nil),
		swaps:    desc("swaps_total", "Changes of the release in charge since the edge started.", nil),
		refused:  desc("connections_refused_total", "Connections above edge.max_conns_per_ip, closed unread.", nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.requests, c.failed, c.retried, c.inFlight, c.active, c.unrouted, c.swaps, c.refused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for _, r := range c.edge.table.routes() {
		for _, n := range r.Counts {
			counter(c.requests, n.Requests, r.App, n.Release)
			counter(c.failed, n.Failed, r.App, n.Release)
			counter(c.retried, n.Retried, r.App, n.Release)
			ch <- prometheus.MustNewConstMetric(c.inFlight, prometheus.GaugeValue, float64(n.InFlight), r.App, n.Release)
			active := 0.0
			if n.Release == r.Active.Release {
				active = 1
			}
			ch <- prometheus.MustNewConstMetric(c.active, prometheus.GaugeValue, active, r.App, n.Release)
		}
	}
	counter(c.unrouted, c.edge.unrouted.Load())
	counter(c.swaps, c.edge.swaps.Load())
	counter(c.refused, c.edge.limit.Refused())
}
