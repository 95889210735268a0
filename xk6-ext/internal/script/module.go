// Package script is the JavaScript module k6/x/platctl: the plan of a load (warm-up, then measurement), a small community
// of users on the target, deterministic text, and the start lag of an iteration.
//
// Invariants: the same seed gives the same handles and texts on every machine. What setup does through this module is no
// k6 sample. Nothing is shared between virtual users, so nothing is locked.
package script

import (
	"go.k6.io/k6/v2/js/modules"
	"go.k6.io/k6/v2/metrics"
)

// LagMetric is the name of the metric that lag() emits and the output reads: milliseconds, as all k6 times.
const LagMetric = "platctl_sched_lag"

// Module makes one instance for every virtual user.
type Module struct{}

// NewModuleInstance implements modules.Module.
func (Module) NewModuleInstance(vu modules.VU) modules.Instance {
	lag, err := vu.InitEnv().Registry.NewMetric(LagMetric, metrics.Trend, metrics.Time)
	return &instance{vu: vu, lagMetric: lag, lagErr: err}
}

type instance struct {
	vu        modules.VU
	lagMetric *metrics.Metric
	lagErr    error
	schedule  schedule
}

// Exports implements modules.Instance. index.d.ts documents each function for script authors.
func (m *instance) Exports() modules.Exports {
	fns := map[string]any{
		"plan":      m.plan,
		"community": m.community,
		"lag":       m.lag,
		"text":      Text,
		"handle":    Handle,
	}
	return modules.Exports{Default: fns, Named: fns}
}

func (m *instance) plan(env map[string]string) (map[string]any, error) {
	p, err := ParseParameters(env)
	if err != nil {
		return nil, err
	}
	return p.Options(), nil
}
