// Package migrate is `platctl migrate`: the schema of the database.
package migrate

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// New returns `platctl migrate`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("migrate", "Bring the database's schema forward, and back",
		newNew(d), newLint(d), newTrace(d), newPlan(d), newUp(d), newDown(d), newStatus(d), newVerify(d), newDump(d), newRepair(d), newAdopt(d),
		newContract(d), newCompat(d),
	)
}

// open reads the migrations that the settings name.
func open(d *command.Deps, o migrate.Options) (*migrate.Migrator, error) {
	files, err := d.MigrationFiles()
	if err != nil {
		return nil, err
	}
	s, err := d.Settings()
	if err != nil {
		return nil, err
	}
	o.ToolVersion, o.Env = d.Build.Version, s.Lookup
	return migrate.New(files, o)
}

// say tells events to the person who waits.
func say(s *term.Streams) func(migrate.Event) {
	return func(e migrate.Event) {
		if line := Line(e); line != "" {
			s.Say("%s", line)
		}
	}
}

// Line tells one event to a person; empty for an event that only machines want.
func Line(e migrate.Event) string {
	name := fmt.Sprintf("%d_%s", e.Version, e.Name)
	switch e.Kind {
	case migrate.EventWaiting:
		return fmt.Sprintf("waiting: %s has the lock", e.Holder)
	case migrate.EventWarning:
		return "warning: " + e.Message
	case migrate.EventProgress:
		out := fmt.Sprintf("%s: %s in %s", name, e.Progress, e.Took.Round(time.Millisecond))
		if e.Left > 0 {
			out += fmt.Sprintf(", about %s left", e.Left.Round(time.Second))
		}
		return out
	case migrate.EventResumed:
		if e.Progress != nil {
			return fmt.Sprintf("%s: goes on behind %s", name, e.Progress)
		}
		return fmt.Sprintf("%s: goes on behind statement %d of %d", name, e.Done, e.Total)
	case migrate.EventRetry:
		out := fmt.Sprintf("%s: no lock at attempt %d, again in %s", name, e.Attempt, e.Took.Round(time.Millisecond))
		for _, b := range e.Blockers {
			out += "\n  in its way: " + b.String()
		}
		return out
	case migrate.EventApplied:
		return fmt.Sprintf("%s: applied in %s", name, e.Took.Round(time.Millisecond))
	case migrate.EventReverted:
		return fmt.Sprintf("%s: reverted in %s", name, e.Took.Round(time.Millisecond))
	}
	return ""
}
