package server

import (
	"math"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/platctl/platctl/internal/api/admission"
	"github.com/platctl/platctl/internal/api/ratelimit"
)

// metrics is what the admin listener shows, named by the OpenTelemetry conventions for HTTP servers.
type metrics struct {
	registry *prometheus.Registry
	duration *prometheus.HistogramVec

	revocationLag prometheus.Histogram

	reports           *prometheus.CounterVec
	acts              *prometheus.CounterVec
	refused, shadowed *prometheus.CounterVec
}

func newMetrics(s *Server, pool *pgxpool.Pool) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_server_request_duration_seconds",
			Help:    "Time to answer a request, by operation of the spec, method and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"http_route", "http_request_method", "http_response_status_code"}),
		revocationLag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "auth_revocation_lag_seconds",
			Help:    "Time from a revocation being written to its being applied here, by the database's clock.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10},
		}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "moderation_reports_total", Help: "Reports accepted here, repetitions too, by reason.",
		}, []string{"reason"}),
		acts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "moderation_actions_total", Help: "Acts of moderation done here, by what was done.",
		}, []string{"action"}),
	}
	beyond := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"class", "http_route", "limit"})
	}
	m.refused = beyond("ratelimit_refused_total", "Requests answered 429, by class, operation and limit: of the client, of its account, of everybody.")
	m.shadowed = beyond("ratelimit_shadow_total", "Requests beyond a limit that were admitted, because the limit is in shadow.")
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	m.registry.MustRegister(
		m.duration, m.revocationLag, m.reports, m.acts, m.refused, m.shadowed, limitsCollector{s.limits}, s.jobs.Metrics, s.sent,
		s.purger.Metrics, s.keeper.Metrics(), s.market.Metrics, s.keys.Replays, s.cache.Metrics, s.media.Metrics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("http_server_active_requests", "Requests being answered.", func() float64 { return float64(s.inFlight.count()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "http_server_connections_refused_total", Help: "Connections above server.max_conns_per_ip, closed unread."},
			func() float64 { return float64(s.limit.Refused()) }),
		gauge("admission_slots_used", "Requests that hold a slot.", func() float64 { return float64(s.admission.Stats().Used) }),
		gauge("admission_waiting", "Requests that wait for a slot.", func() float64 { return float64(s.admission.Stats().Waiting) }),
		shed(s.admission, admission.Critical), shed(s.admission, admission.Normal), shed(s.admission, admission.Bulk),
		gauge("auth_deny_set_size", "Sessions and users that are refused before their tokens expire.", func() float64 { return float64(s.deny.Len()) }),
		gauge("auth_revocation_backlog", "Revocations not yet applied by the server furthest behind.", func() float64 { return float64(s.feed.Backlog()) }),
		gauge("auth_revocation_feed_age_seconds", "Time since the revocations were read here; above 5 this server trusts no token.", s.feedAge),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "auth_refresh_reuse_total", Help: "Refresh tokens used again outside the window; each ended its session."},
			func() float64 { return float64(s.sessions.Reused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "auth_session_surplus_total", Help: "Sessions that ended because their account opened more than it may have."},
			func() float64 { return float64(s.sessions.Surplus()) }),
		gauge("auth_signing_key_age_seconds", "How long the key that signs now has been signing; NaN for one of unknown age.", s.keyAge),
		gauge("auth_signing_keys_unreadable", "1 while the file of the signing keys can't be used; those read before are in force.", s.keysUnreadable),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "auth_signing_keys_read_failures_total", Help: "How often the file of the signing keys was found unusable."},
			func() float64 { return float64(s.opts.Keys.Failures()) }),
		gauge("db_client_connections_used", "Connections in use.", func() float64 { return float64(pool.Stat().AcquiredConns()) }),
		gauge("db_client_connections_idle", "Connections at rest.", func() float64 { return float64(pool.Stat().IdleConns()) }),
		gauge("db_client_connections_max", "Connections the pool may open.", func() float64 { return float64(pool.Stat().MaxConns()) }),
	)
	for _, o := range s.opts.Outside {
		m.registry.MustRegister(o.Metrics()...)
	}
	return m
}

func (s *Server) feedAge() float64 {
	age, ok := s.feed.Age()
	return ageSeconds(age, ok)
}

// ageSeconds is infinite for what never happened.
func ageSeconds(age time.Duration, happened bool) float64 {
	if !happened {
		return math.Inf(1)
	}
	return age.Seconds()
}

func (s *Server) keyAge() float64 {
	now := s.opts.Now()
	k := s.opts.Keys.Ring().Signer(now)
	if k.SignsFrom.IsZero() {
		return math.NaN()
	}
	return now.Sub(k.SignsFrom).Seconds()
}

func (s *Server) keysUnreadable() float64 {
	if s.opts.Keys.Failing() {
		return 1
	}
	return 0
}

// shed counts the requests of a class that were turned away.
func shed(l *admission.Limiter, c admission.Class) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "admission_shed_total", Help: "Requests turned away because the server was at its limit.",
		ConstLabels: prometheus.Labels{"class": c.String()},
	}, func() float64 { return float64(l.Stats().Shed[c]) })
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	m.duration.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Observe(took.Seconds())
}

// knownMethod bounds a label that clients choose.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "_OTHER"
}

// adminHandler serves /metrics and the profiles. It listens on its own address: neither belongs on the internet.
func (m *metrics) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// limited counts a request beyond a limit.
func (m *metrics) limited(r ratelimit.Refusal) {
	v := m.shadowed
	if r.Enforced {
		v = m.refused
	}
	v.WithLabelValues(r.Class, r.Operation, r.Limit).Inc()
}

// limitsCollector reads one moment of the limits for all its metrics: it walks their tables.
type limitsCollector struct{ limits *ratelimit.Service }

// Describe implements prometheus.Collector.
func (c limitsCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c limitsCollector) Collect(ch chan<- prometheus.Metric) {
	st := c.limits.Status()
	local := 0.0
	if st.Local {
		local = 1
	}
	for _, m := range []struct {
		name, help string
		kind       prometheus.ValueType
		value      float64
	}{
		{"ratelimit_policy_version", "Version of the policy in force here; 0: what the spec declares.", prometheus.GaugeValue, float64(st.Version)},
		{"ratelimit_mode", "0 off, 1 shadow, 2 enforce.", prometheus.GaugeValue, float64(st.Mode.Rank())},
		{"ratelimit_policy_age_seconds", "Time since the database was asked for the policy.", prometheus.GaugeValue, ageSeconds(st.Age, st.Age >= 0)},
		{"ratelimit_debtors", "Clients that owe something here.", prometheus.GaugeValue, float64(st.Debtors)},
		{"ratelimit_evictions_total", "Clients forgotten because a table was full: those who owed least.", prometheus.CounterValue, float64(st.Evicted)},
		{"ratelimit_shared_clients", "Clients whose limit is borrowed from what all servers share.", prometheus.GaugeValue, float64(st.Loans)},
		{"ratelimit_servers", "Servers that share the limits.", prometheus.GaugeValue, float64(st.Servers)},
		{"ratelimit_local", "1 while servers can't share and each holds to its part of every limit.", prometheus.GaugeValue, local},
	} {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.name, m.help, nil, nil), m.kind, m.value)
	}
}
