package migrate

import (
	"context"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// Preview is what a run would do if it began now.
type Preview struct {
	Down     bool      `json:"down"`
	From     int64     `json:"from"` // newest applied version before
	To       int64     `json:"to"`   // and after
	Files    []Planned `json:"planned"`
	Warnings []string  `json:"warnings,omitempty"`
	Live     *Live     `json:"live,omitempty"` // what runs already; nil: nothing
}

// Planned is a migration that a run would apply or revert.
type Planned struct {
	Version            int64     `json:"version"`
	Name               string    `json:"name"`
	Phase              string    `json:"phase,omitempty"`
	State              State     `json:"state"` // before
	Transaction        bool      `json:"transaction"`
	Statements         int       `json:"statements"`
	Done               int       `json:"statements_done"` // by a run that stopped
	LockTimeoutMS      int64     `json:"lock_timeout_ms"` // 0: none. A concurrent statement has none
	StatementTimeoutMS *int64    `json:"statement_timeout_ms,omitempty"`
	Attempts           int       `json:"attempts"`        // to get a lock
	Batch              *Batch    `json:"batch,omitempty"` // of a backfill
	Progress           *Progress `json:"progress,omitempty"`
	Tables             []Table   `json:"tables"` // that are there and named
	Losses             []Loss    `json:"losses"` // data that goes with it
}

// Table is a table that a migration names.
type Table struct {
	Name  string `json:"name"` // as the migration says it
	Rows  int64  `json:"rows"` // as PostgreSQL estimates them; -1: not known
	Bytes int64  `json:"bytes"`
}

// PreviewUp returns what an Up to version to would do now. It takes no lock, and answers while a migration runs.
func (m *Migrator) PreviewUp(ctx context.Context, db Querier, to int64) (*Preview, error) {
	todo, st, err := m.Plan(ctx, db, to)
	if err != nil {
		return nil, err
	}
	v := &Preview{From: st.Current, To: st.Current, Files: []Planned{}, Warnings: st.Warnings, Live: st.Live}
	for _, mg := range todo {
		row := st.Rows[slices.IndexFunc(st.Rows, func(r Row) bool { return r.Version == mg.Version })]
		f := m.planned(mg, &mg.Up, losses(mg.Up.Statements))
		f.State, f.Phase = row.State, mg.Phase
		if row.halfway() {
			f.Done, f.Progress = row.Done, row.Progress
		}
		v.Files = append(v.Files, f)
		v.To = max(v.To, mg.Version)
	}
	return v, fault.Op("plan migrations", v.size(ctx, db, todo))
}

// PreviewDown returns what a Down to version to would do now. It takes no lock, and answers while a migration runs.
func (m *Migrator) PreviewDown(ctx context.Context, db Querier, to int64) (*Preview, error) {
	entries, err := readLedger(ctx, db)
	if err != nil {
		return nil, fault.Op("plan migrate down", err)
	}
	steps, err := m.planDown(entries, to)
	if err != nil {
		return nil, fault.Op("plan migrate down", err)
	}
	v := &Preview{Down: true, From: current(entries), Files: []Planned{}}
	var files []*Migration
	for _, s := range steps {
		e := entries[s.Version]
		f := m.planned(s.pass.mg, s.pass.script, s.Losses)
		f.State, f.Phase, f.Done = e.State, e.Phase, s.Done
		v.Files = append(v.Files, f)
		files = append(files, &Migration{Up: s.pass.mg.Down})
		e.State = Reverted
	}
	v.To = current(entries)
	if v.Live, err = live(ctx, db); err == nil {
		err = v.size(ctx, db, files)
	}
	return v, fault.Op("plan migrate down", err)
}

func (m *Migrator) planned(mg *Migration, s *Script, lost []Loss) Planned {
	r := runner{m: m}
	f := Planned{Version: mg.Version, Name: mg.Name, Transaction: !s.Stepwise, Statements: len(s.Statements),
		LockTimeoutMS: r.lockTimeout(mg).Milliseconds(), Attempts: r.attempts(mg), Tables: []Table{}, Losses: lost}
	if s == &mg.Up {
		f.Batch = mg.batch
	}
	if mg.statementTimeout != nil {
		ms := mg.statementTimeout.Milliseconds()
		f.StatementTimeoutMS = &ms
	}
	return f
}

// size asks in one query how large the tables are that the files name.
func (v *Preview) size(ctx context.Context, db Querier, files []*Migration) error {
	var names []string
	for _, mg := range files {
		names = append(names, named(mg.Up.Statements)...)
	}
	tables, err := sizes(ctx, db, names)
	if err != nil {
		return err
	}
	for i, mg := range files {
		f := &v.Files[i]
		has := named(mg.Up.Statements)
		for _, t := range tables {
			if slices.Contains(has, t.Name) {
				f.Tables = append(f.Tables, t)
			}
		}
		estimate(f.Losses, tables)
	}
	return nil
}

// named returns what could be the name of a table in statements: the catalogue knows which is one. What code does is not seen.
func named(statements []Statement) []string {
	var out []string
	for _, st := range statements {
		r := &reader{tokens: sqltoken.Split(st.SQL)}
		for r.at < len(r.tokens) {
			n := r.name()
			if n == "" {
				r.at++
			} else if strings.Count(n, ".") < 2 && !strings.HasSuffix(n, ".") && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}
