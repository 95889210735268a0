package baseline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/perf/k6"
)

// reachTimeout is how long the target may take to say that it is ready.
const reachTimeout = 5 * time.Second

// Measurement is what Measure does.
type Measurement struct {
	K6        *k6.Binary
	Name      string
	Target    string // base URL; see CheckTarget
	Plan      Plan   // Scenarios and Arrival are filled in
	Scenarios []string
	Tool      Tool // K6 and Extension are filled in
	Env       Env
	Now       func() time.Time
	Progress  func(scenario string, p k6.Progress) // may be nil; called once a second while a scenario runs
}

// Measure runs every scenario once, one after the other, and returns the baseline, valid or not. It writes nothing.
func Measure(ctx context.Context, m Measurement) (*Baseline, error) {
	m.Plan.Arrival, m.Plan.Rounds = "constant", 1
	m.Tool.K6, m.Tool.Extension = m.K6.Info.K6, m.K6.Info.Extension
	b := &Baseline{
		Schema: Schema().String(), Name: m.Name, Created: m.Now().UTC().Truncate(time.Second),
		Target: Target{URL: m.Target}, Tool: m.Tool, Env: m.Env, Plan: m.Plan,
	}
	var scripts [][]byte
	for _, name := range m.Scenarios {
		src, err := m.K6.Scenario(ctx, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(src)
		scripts = append(scripts, src)
		b.Plan.Scenarios = append(b.Plan.Scenarios, Scenario{Name: name, SHA256: hex.EncodeToString(sum[:])})
	}
	if err := reach(ctx, m.Target); err != nil {
		return nil, err
	}
	for i, name := range m.Scenarios {
		s, err := m.K6.Run(ctx, k6.Run{
			Script: scripts[i], Env: parameters(m.Target, b.Plan),
			Progress: func(p k6.Progress) { m.tell(name, p) },
		})
		if err != nil {
			return nil, fault.Op("measure "+name, err)
		}
		run, err := NewRun(name, 1, b.Plan, s)
		if err != nil {
			return nil, fault.Op("measure "+name, err)
		}
		b.Runs = append(b.Runs, run)
	}
	var err error
	b.Aggregate, err = Combine(b.Plan, b.Runs)
	return b, err
}

func (m Measurement) tell(scenario string, p k6.Progress) {
	if m.Progress != nil {
		m.Progress(scenario, p)
	}
}

// parameters are what a scenario reads from its environment.
func parameters(target string, p Plan) map[string]string {
	ms := func(n int64) string { return (time.Duration(n) * time.Millisecond).String() }
	return map[string]string{
		"BASE_URL": target, "RATE": strconv.Itoa(p.Rate), "DURATION": ms(p.DurationMS), "WARMUP": ms(p.WarmupMS),
		"USERS": strconv.Itoa(p.Users), "SEED": strconv.FormatInt(p.Seed, 10),
	}
}

// reach returns an error unless a ready API answers at the target.
func reach(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+"/api/ready", nil)
	if err != nil {
		return fault.Wrap(err, fault.Usage, "the target is no URL")
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy: the load takes none either
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	const start = "start one with `platctl serve --dev`, or name another with --target"
	switch {
	case context.Cause(ctx) == context.Canceled:
		return fault.Wrap(ctx.Err(), fault.Canceled, "interrupted; nothing was stored")
	case err != nil:
		return fault.Wrap(err, fault.Unavailable, "no API answers at %s", target).WithHint(start)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "%s/api/ready answers %d: there is no API that is ready", target, res.StatusCode).
			WithHint(start)
	}
	return nil
}
