package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Row is one migration as files and ledger know it.
type Row struct {
	Version     int64     `json:"version"`
	Name        string    `json:"name"`
	State       State     `json:"state"`
	Phase       string    `json:"phase,omitempty"`
	Transaction bool      `json:"transaction"`
	Statements  int       `json:"statements"`
	Done        int       `json:"statements_done"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	DurationMS  int64     `json:"duration_ms,omitempty"`
	Release     string    `json:"release,omitempty"`
	User        string    `json:"user,omitempty"`
	Error       string    `json:"error,omitempty"`
	Changed     []string  `json:"changed,omitempty"`      // sections whose text is not the one that was applied: up, down
	NoFile      bool      `json:"no_file,omitempty"`      // only the ledger knows it
	Progress    *Progress `json:"progress,omitempty"`     // of a backfill
	OutOfOrder  bool      `json:"out_of_order,omitempty"` // pending, and older than the newest applied one
}

// Status is where a database stands.
type Status struct {
	Current  int64    `json:"current"` // the newest applied version; 0: none
	Latest   int64    `json:"latest"`  // the newest version of the files
	Pending  int      `json:"pending"`
	Failed   int      `json:"failed"` // failed, or running, of those with a file
	Rows     []Row    `json:"migrations"`
	Warnings []string `json:"warnings,omitempty"`
	Live     *Live    `json:"live,omitempty"` // nil: nothing runs
}

// Status compares files and ledger, and tells what runs now. It takes no lock.
func (m *Migrator) Status(ctx context.Context, db Querier) (*Status, error) {
	entries, err := readStates(ctx, db)
	if err != nil {
		return nil, fault.Op("migration status", err)
	}
	st := m.compare(entries)
	st.Live, err = live(ctx, db)
	return st, fault.Op("migration status", err)
}

func (m *Migrator) compare(entries map[int64]*entry) *Status {
	st := &Status{Latest: m.Latest(), Warnings: slices.Clone(m.gaps), Rows: make([]Row, 0, max(len(m.all), len(entries)))}
	for _, e := range entries {
		if e.State == Applied {
			st.Current = max(st.Current, e.Version)
		}
		if m.find(e.Version) == nil {
			st.Rows = append(st.Rows, Row{Version: e.Version, NoFile: true, Transaction: true}.with(e))
		}
	}
	for _, mg := range m.all {
		row := Row{Version: mg.Version, Name: mg.Name, State: Pending, Phase: mg.Phase, Transaction: !mg.Up.Stepwise,
			Statements: len(mg.Up.Statements)}
		if e := entries[mg.Version]; e != nil {
			row = row.with(e)
			row.Changed = changed(mg, e)
		}
		row.OutOfOrder = row.State != Applied && mg.Version < st.Current
		st.Rows = append(st.Rows, row)
	}
	slices.SortFunc(st.Rows, func(a, b Row) int { return cmp.Compare(a.Version, b.Version) })
	for _, row := range st.Rows {
		st.count(row)
	}
	return st
}

func (r Row) with(e *entry) Row {
	r.Name, r.State, r.Phase = e.Name, e.State, e.Phase
	r.Statements, r.Done = e.StmtTotal, e.StmtDone
	r.StartedAt, r.DurationMS = e.StartedAt.UTC(), e.DurationMS
	r.Release, r.User, r.Error = e.Release, e.DBUser, e.Error
	r.Progress = e.Progress
	return r
}

// halfway says that the file neither is applied nor isn't.
func (r Row) halfway() bool {
	return r.State == Failed || r.State == Running || r.State == Reverting
}

// changed names the sections that differ from what was applied. What was never applied may change.
func changed(mg *Migration, e *entry) []string {
	var out []string
	if e.State == Applied && mg.Up.SHA256 != e.UpSHA256 {
		out = append(out, "up")
	}
	if e.State == Applied && mg.Down.SHA256 != e.DownSHA256 {
		out = append(out, "down")
	}
	return out
}

func (s *Status) count(row Row) {
	warn := func(format string, args ...any) { s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...)) }
	switch {
	case row.NoFile && row.State == Reverted: // nothing of it is there
	case row.NoFile && row.Version > s.Latest:
		warn("the database is ahead: %d_%s is %s, and this platctl has no such file", row.Version, row.Name, row.State)
	case row.NoFile:
		warn("%d_%s is %s, and its file is missing", row.Version, row.Name, row.State)
	case row.State == Pending || row.State == Reverted:
		s.Pending++
	}
	if !row.NoFile && row.halfway() {
		s.Failed++
	}
	if row.OutOfOrder {
		warn("%d_%s is %s, though %d is applied", row.Version, row.Name, row.State, s.Current)
	}
	if len(row.Changed) > 0 {
		warn("%d_%s was changed after it was applied: %s", row.Version, row.Name, strings.Join(row.Changed, " and "))
	}
}

// Verdict is nil where every file is applied unchanged, else the answer no.
func (s *Status) Verdict() error {
	switch {
	case s.Live != nil:
		return fault.New(fault.No, "a migration runs: %d of %d are applied", s.applied(), len(s.Rows)).
			WithHint("%s", s.Live.next())
	case s.Failed > 0:
		return fault.New(fault.No, "%d of %d migrations failed or still run", s.Failed, len(s.Rows)).
			WithHint("`platctl migrate up` goes on where it stopped")
	case s.changed() > 0:
		return fault.New(fault.No, "%d applied migrations were changed", s.changed()).
			WithHint("restore the files; a change belongs in a new migration")
	case s.Pending > 0:
		return fault.New(fault.No, "%d of %d migrations are pending", s.Pending, len(s.Rows)).
			WithHint("`platctl migrate up` applies them")
	}
	return nil
}

func (s *Status) applied() int {
	n := 0
	for _, row := range s.Rows {
		if row.State == Applied {
			n++
		}
	}
	return n
}

func (s *Status) changed() int {
	n := 0
	for _, row := range s.Rows {
		if len(row.Changed) > 0 {
			n++
		}
	}
	return n
}

// plan returns what an up to version to (0: all) would apply, or why it must not.
func (m *Migrator) plan(st *Status, to int64) ([]*Migration, error) {
	if to != 0 && m.find(to) == nil {
		return nil, fault.New(fault.Usage, "there is no migration %d", to).WithHint("`platctl migrate status` lists them")
	}
	if to == 0 {
		to = m.Latest()
	}
	var todo []*Migration
	for _, row := range st.Rows {
		if err := m.refuse(st, row, to); err != nil {
			return nil, err
		}
		if row.State != Applied && !row.NoFile && row.Version <= to {
			todo = append(todo, m.find(row.Version))
		}
	}
	return todo, nil
}

// refuse says why nothing may be applied while the database knows this row.
func (m *Migrator) refuse(st *Status, row Row, to int64) error {
	switch {
	case len(row.Changed) > 0:
		return fault.New(fault.Conflict, "%d_%s was changed after it was applied: %s; nothing was done",
			row.Version, row.Name, strings.Join(row.Changed, " and ")).
			WithHint("restore the file; a change belongs in a new migration")
	case row.State == Reverting:
		return fault.New(fault.Conflict, "%d_%s is half reverted; nothing was done", row.Version, row.Name).
			WithHint("`platctl migrate down` goes on with it")
	case row.OutOfOrder && row.Version <= to && !m.opts.OutOfOrder:
		return fault.New(fault.Conflict, "%d_%s is older than %d, which is applied; nothing was done", row.Version, row.Name, st.Current).
			WithHint("give it a newer version, or add --out-of-order if it doesn't depend on the order")
	}
	return nil
}

// Plan returns the migrations that Up would apply now, without a lock, so they may be applied by somebody else meanwhile.
func (m *Migrator) Plan(ctx context.Context, db Querier, to int64) ([]*Migration, *Status, error) {
	st, err := m.Status(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	todo, err := m.plan(st, to)
	return todo, st, fault.Op("plan migrations", err)
}
