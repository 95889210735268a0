package script

import (
	"errors"
	"fmt"
	"time"

	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/lib/executor"
	"go.k6.io/k6/v2/metrics"
)

// schedule is the arrival schedule of a scenario, remembered per virtual user.
type schedule struct {
	scenario string
	period   time.Duration
}

// lag records how late this iteration started behind its schedule. k6 records no intended start, so a generator that
// can't keep up looks like a fast server; iteration i of a constant arrival rate is due at start + i*period. Exact while
// no iteration was dropped, because dropped ones take no number.
func (m *instance) lag() error {
	now := time.Now()
	state, ctx := m.vu.State(), m.vu.Context()
	if state == nil {
		return errors.New("lag() belongs at the start of an iteration, not in the init context")
	}
	if m.lagErr != nil {
		return m.lagErr
	}
	sc := lib.GetScenarioState(ctx)
	if sc == nil {
		return errors.New("lag() belongs at the start of an iteration, not in setup or teardown")
	}
	if m.schedule.scenario != sc.Name {
		period, err := arrivalPeriod(state.Options.Scenarios[sc.Name])
		if err != nil {
			return fmt.Errorf("lag() in scenario %s: %w", sc.Name, err)
		}
		m.schedule = schedule{scenario: sc.Name, period: period}
	}
	due := sc.StartTime.Add(time.Duration(state.GetScenarioGlobalVUIter()) * m.schedule.period)
	metrics.PushIfNotDone(ctx, state.Samples, metrics.Sample{
		TimeSeries: metrics.TimeSeries{Metric: m.lagMetric, Tags: state.Tags.GetCurrentValues().Tags},
		Time:       now,
		Value:      metrics.D(max(now.Sub(due), 0)),
	})
	return nil
}

func arrivalPeriod(c lib.ExecutorConfig) (time.Duration, error) {
	car, ok := c.(*executor.ConstantArrivalRateConfig)
	if !ok {
		return 0, errors.New("only the executor constant-arrival-rate has a schedule to be late for")
	}
	return car.TimeUnit.TimeDuration() / time.Duration(car.Rate.Int64), nil
}
