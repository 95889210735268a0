// Package doctor checks what a machine needs for platctl, and says what to do about what is missing.
//
// Invariants: it changes nothing and goes to no network; a probe file in the state directory is removed at once. Every
// check that is not ok says the next step. A failed check is a result, never an error, so all of them are reported.
package doctor

import (
	"context"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

// Status is the answer of one check.
type Status string

// The answers: fine; something will not work, but the main thing does; the main thing does not work.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Check is one thing looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Next   string `json:"next,omitempty"` // what to do; empty when ok
}

// Finder looks for a tool and returns what it found, for a person.
type Finder func(ctx context.Context) (string, error)

// Options is where to look.
type Options struct {
	Config    *config.Config // nil when ConfigErr is set
	ConfigErr error
	Postgres  Finder // PostgreSQL's server programs
	K6        Finder // k6 with our extension
}

// Run makes every check, in the order in which a newcomer meets them.
func Run(ctx context.Context, o Options) []Check {
	checks := []Check{
		checkGo(ctx),       // builds platctl and releases
		checkGit(ctx),      // names what is built
		checkConfig(o),     // the rest depends on it
		checkK6(ctx, o.K6), // measures
	}
	if o.Config == nil {
		return checks
	}
	c := o.Config
	return append(checks,
		checkPostgres(ctx, c, o.Postgres), // serve and the tests
		checkStateDir(c.StateDir),         // what survives a restart
		checkDisk(c.StateDir),             // for a database and some releases
		checkServerAddress(c),             // serve
		checkAddress("edge.listen", c.Edge.Listen),
	)
}

// Failed counts the checks that failed.
func Failed(checks []Check) int {
	n := 0
	for _, c := range checks {
		if c.Status == Fail {
			n++
		}
	}
	return n
}

func checkConfig(o Options) Check {
	if o.ConfigErr == nil {
		return Check{Name: "configuration", Status: OK, Found: "valid, environment " + o.Config.Environment}
	}
	return problem("configuration", Fail, o.ConfigErr, "correct it, then run `platctl doctor` again for the checks that need it")
}

// problem makes a check of an error: its message, and its own hint before the general next step.
func problem(name string, s Status, err error, next string) Check {
	e := fault.From(err)
	if e.Hint != "" {
		next = e.Hint
	}
	return Check{Name: name, Status: s, Found: err.Error(), Next: next}
}
