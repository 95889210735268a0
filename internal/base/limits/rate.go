package limits

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

const (
	maxPeriod   = 7 * 24 * time.Hour
	minInterval = time.Microsecond // a million a second
	maxUnits    = 1_000_000_000
	day         = 24 * time.Hour
)

// Rate is how often something may happen in the long run: Count times every Per.
type Rate struct {
	Count int64
	Per   time.Duration
}

// Limit is a rate and how much of it may be used at once. A client that was quiet for long enough has Burst units.
type Limit struct {
	Rate  Rate  `yaml:"rate" json:"rate"`
	Burst int64 `yaml:"burst" json:"burst"`
}

// ParseRate reads COUNT/PERIOD: 20/s, 10/min, 5/15m, 1000/h, 3/d.
func ParseRate(text string) (Rate, error) {
	count, period, ok := strings.Cut(text, "/")
	n, err := strconv.ParseInt(count, 10, 64)
	per, perr := parsePeriod(period)
	if !ok || err != nil || perr != nil || strconv.FormatInt(n, 10) != count {
		return Rate{}, fault.New(fault.Invalid, "%.40q is not a rate", text).WithHint("COUNT/PERIOD, for example 20/s, 5/15m or 1000/h")
	}
	r := Rate{n, per}
	return r, r.check()
}

func parsePeriod(text string) (time.Duration, error) {
	switch text {
	case "s", "m", "h":
		text = "1" + text
	case "min":
		return time.Minute, nil
	case "d":
		return day, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 8)
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(text)
}

func (r Rate) check() error {
	switch {
	case r.Count < 1 || r.Count > maxUnits:
		return fault.New(fault.Invalid, "a rate of %d is not between 1 and %d", r.Count, int64(maxUnits))
	case r.Per < time.Millisecond || r.Per > maxPeriod:
		return fault.New(fault.Invalid, "a rate per %s is not between a millisecond and 7 days", r.Per)
	case time.Duration(r.Count) > r.Per/minInterval:
		return fault.New(fault.Invalid, "%s is more than a million a second", r)
	}
	return nil
}

// String returns the shortest text that ParseRate reads as r.
func (r Rate) String() string {
	for unit, name := range map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h", day: "d"} {
		if r.Per == unit {
			return fmt.Sprintf("%d/%s", r.Count, name)
		}
	}
	if r.Per%day == 0 {
		return fmt.Sprintf("%d/%dd", r.Count, r.Per/day)
	}
	period := r.Per.String() // 15m0s, 1h0m0s
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(period, zero) {
			period = period[:len(period)-2]
		}
	}
	return fmt.Sprintf("%d/%s", r.Count, period)
}

// Interval is the time that one unit takes to come back, in whole nanoseconds and never less: at 10,000 a second the rate
// is at most 0.01 % below what it says, at 100 a second 0.0001 %.
func (r Rate) Interval() time.Duration {
	if r.Count < 1 {
		return maxPeriod
	}
	return (r.Per + time.Duration(r.Count) - 1) / time.Duration(r.Count)
}

// PerSecond is the rate in units a second.
func (r Rate) PerSecond() float64 { return float64(time.Second) / float64(r.Interval()) }

func (l Limit) check() error {
	if err := l.Rate.check(); err != nil {
		return err
	}
	if l.Burst < 1 || l.Burst > maxUnits {
		return fault.New(fault.Invalid, "a burst of %d is not between 1 and %d", l.Burst, int64(maxUnits))
	}
	if l.Burst > int64(maxPeriod/l.Rate.Interval()) {
		return fault.New(fault.Invalid, "a burst of %d at %s takes more than 7 days to come back", l.Burst, l.Rate)
	}
	return nil
}

// depth is the time that a whole burst takes to come back.
func (l Limit) depth() time.Duration { return time.Duration(l.Burst) * l.Rate.Interval() }

// String returns the limit as people read it.
func (l Limit) String() string { return fmt.Sprintf("%s burst %d", l.Rate, l.Burst) }
