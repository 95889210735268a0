package migrate

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// StatusResult is the data of `platctl migrate status --json`.
type StatusResult struct {
	Database string `json:"database"` // without a password
	*migrate.Status
}

func newStatus(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   "status [--dir DIR]",
		Short: "Tell which migrations are applied",
		Long: "Compares the files with the ledger platctl.migrations of the database, and tells what runs now: which statement, for\n" +
			"how long, who is in its way and who waits behind it. It takes no lock. The answer is no\n" +
			"(3) when one is pending, failed, running or was changed after it was applied; a database that is ahead of the files\n" +
			"is a warning.",
		Example: `
			platctl migrate status
			platctl migrate status --dir db/migrations
			platctl migrate status --json | jq -r '.data.migrations[] | select(.state != "applied") | .version'`,
		Exits:  []int{3, 5, 6},
		Result: StatusResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runStatus(ctx, d, d.Printer(cmd))
		},
	})
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runStatus(ctx context.Context, d *command.Deps, p *output.Printer) error {
	m, err := open(d, migrate.Options{})
	if err != nil {
		return err
	}
	db, err := d.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl migrate status")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	st, err := m.Status(ctx, conn)
	if err != nil {
		return err
	}
	for _, w := range st.Warnings {
		d.Streams.Say("warning: %s", w)
	}
	return p.Answer(StatusResult{db.Shown, st}, st.Verdict(), func(w io.Writer) error { return statusTable(p, w, st) })
}

func statusTable(p *output.Printer, w io.Writer, st *migrate.Status) error {
	rows := make([][]string, len(st.Rows))
	for i, r := range st.Rows {
		rows[i] = []string{strconv.FormatInt(r.Version, 10), r.Name, state(r), dash(r.Phase), when(r.StartedAt),
			(time.Duration(r.DurationMS) * time.Millisecond).String()}
	}
	if err := p.Table(w, []string{"VERSION", "NAME", "STATE", "PHASE", "STARTED", "TOOK"}, rows); err != nil || st.Live == nil {
		return err
	}
	return liveTable(p, w, st.Live)
}

// liveTable shows who runs, who is in the way and who waits.
func liveTable(p *output.Printer, w io.Writer, l *migrate.Live) error {
	rows := [][]string{sessionRow("runs", l.Runner)}
	for _, s := range l.Blockers {
		rows = append(rows, sessionRow("blocks it", s))
	}
	for i, s := range l.Waiting {
		if i == shown {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(l.Waiting)-shown), "", "", "", ""})
			break
		}
		rows = append(rows, sessionRow("waits for it", s))
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return p.Table(w, []string{"NOW", "SESSION", "OF", "FOR", "STATE AND STATEMENT"}, rows)
}

const shown = 10 // waiting sessions

func sessionRow(what string, s migrate.Session) []string {
	of := s.User
	if s.App != "" {
		of += " (" + s.App + ")"
	}
	return []string{what, strconv.Itoa(s.PID), of, (time.Duration(s.ForMS) * time.Millisecond).String(),
		s.State + ": " + strings.Join(strings.Fields(s.Query), " ")}
}

func state(r migrate.Row) string {
	out := string(r.State)
	if r.State == migrate.Failed || r.State == migrate.Running {
		if r.Progress != nil {
			return out + fmt.Sprintf(" (%s)", r.Progress)
		}
		out += fmt.Sprintf(" (%d of %d)", r.Done, r.Statements)
	}
	if len(r.Changed) > 0 {
		out += ", changed: " + strings.Join(r.Changed, " and ")
	}
	if r.NoFile {
		out += ", no file"
	}
	return out
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}
