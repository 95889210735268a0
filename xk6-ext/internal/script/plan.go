package script

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Parameters is what a scenario takes from its environment.
type Parameters struct {
	BaseURL  string        // BASE_URL
	Rate     int64         // RATE, requests per second
	Duration time.Duration // DURATION of the measurement
	Warmup   time.Duration // WARMUP before it, not measured; 0 for none
	Users    int64         // USERS who sign up; argon2 makes each cost the server tens of milliseconds
	VUs      int64         // VUS, virtual users: how many requests can be under way at once
	Seed     int64         // SEED of handles and texts
	Timeout  time.Duration // TIMEOUT of one request
}

// Between warm-up and measurement is a pause in which the last warm-up requests end. A measured request that is still
// under way when the schedule ends gets its whole timeout and is recorded: what is cut off would be the slowest requests,
// and k6 records nothing for them.
const (
	settle        = time.Second
	afterTimeout  = 5 * time.Second
	minPhase      = time.Second // k6 accepts no shorter scenario
	stallCovered  = 0.6         // seconds of a stalled server that the default VUs bridge before iterations are dropped
	maxDefaultVUs = 2000        // 165 KB each, measured: 330 MB
	setupDeadline = "120s"
)

// ParseParameters reads the environment. Every value is checked here, because k6's own messages name k6's options.
func ParseParameters(env map[string]string) (Parameters, error) {
	r := reader{env: env}
	p := Parameters{
		BaseURL:  r.url("BASE_URL", "http://127.0.0.1:8080"),
		Rate:     r.number("RATE", 50, 1, 100_000),
		Duration: r.duration("DURATION", 30*time.Second, minPhase),
		Warmup:   r.duration("WARMUP", 5*time.Second, 0),
		Users:    r.number("USERS", 8, 1, 1000),
		Seed:     r.number("SEED", 1, 0, 1<<53-1),
		Timeout:  r.duration("TIMEOUT", 10*time.Second, time.Millisecond),
	}
	p.VUs = r.number("VUS", min(int64(float64(p.Rate)*stallCovered)+10, maxDefaultVUs), 1, 100_000)
	if p.Warmup > 0 && p.Warmup < minPhase && r.err == nil {
		r.err = fmt.Errorf("WARMUP: %s is shorter than %s; 0 means none", p.Warmup, minPhase)
	}
	return p, r.err
}

// Options returns the k6 options of the plan: two scenarios at a constant arrival rate, told apart by the tag phase.
func (p Parameters) Options() map[string]any {
	phase := func(name string, start, length, grace time.Duration) map[string]any {
		return map[string]any{
			"executor": "constant-arrival-rate", "rate": p.Rate, "timeUnit": "1s", "preAllocatedVUs": p.VUs,
			"startTime": start.String(), "duration": length.String(), "gracefulStop": grace.String(),
			"tags": map[string]string{"phase": name},
		}
	}
	scenarios := map[string]any{}
	var start time.Duration
	if p.Warmup > 0 {
		scenarios["warmup"] = phase("warmup", 0, p.Warmup, settle)
		start = p.Warmup + settle
	}
	scenarios["measure"] = phase("measure", start, p.Duration, p.Timeout+afterTimeout)
	return map[string]any{
		"scenarios":             scenarios,
		"systemTags":            []string{"name", "method", "status", "error_code", "expected_response", "scenario"},
		"maxRedirects":          0, // a redirect must not lead the load to another host
		"discardResponseBodies": true,
		"setupTimeout":          setupDeadline,
	}
}

// reader keeps the first error, so that the caller reads like a table.
type reader struct {
	env map[string]string
	err error
}

func (r *reader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(name+": "+format, args...)
	}
}

func (r *reader) number(name string, def, low, high int64) int64 {
	s := r.env[name]
	if s == "" {
		return def
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < low || n > high {
		r.fail(name, "%q is not a whole number from %d to %d", s, low, high)
		return def
	}
	return n
}

func (r *reader) duration(name string, def, low time.Duration) time.Duration {
	s := r.env[name]
	if s == "" {
		return def
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < low || d > 24*time.Hour {
		r.fail(name, "%q is not a duration from %s to 24h, such as 30s", s, low)
		return def
	}
	return d
}

func (r *reader) url(name, def string) string {
	s := r.env[name]
	if s == "" {
		return def
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		r.fail(name, "%q is not an http or https URL", s)
		return def
	}
	return strings.TrimRight(s, "/")
}
