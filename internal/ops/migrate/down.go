package migrate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Newest as the version of a Down means: revert the newest applied migration and no other.
const Newest int64 = -1

// DownResult is what a Down did.
type DownResult struct {
	From     int64    `json:"from"` // newest applied version before
	To       int64    `json:"to"`   // and after
	Reverted []Done   `json:"reverted"`
	Warnings []string `json:"warnings,omitempty"`
}

// Step is one migration that a Down would revert.
type Step struct {
	Version     int64  `json:"version"`
	Name        string `json:"name"`
	Transaction bool   `json:"transaction"`
	Statements  int    `json:"statements"`
	Done        int    `json:"statements_done"` // by a Down that was interrupted
	Losses      []Loss `json:"losses"`          // data that goes with it

	pass pass
}

// Down reverts every applied migration above version to, the newest first, with the SQL that the ledger keeps: neither the files nor
// the platctl that applied them are needed. What it had done before an error stays done, and the result says so.
func (m *Migrator) Down(ctx context.Context, url string, to int64) (*DownResult, error) {
	r := &runner{m: m, res: &Result{}}
	res := &DownResult{Reverted: []Done{}}
	err := r.down(ctx, url, to, res)
	if err != nil && ctx.Err() != nil && fault.KindOf(err) != fault.Canceled {
		err = fault.Wrap(ctx.Err(), fault.Canceled, "interrupted before the next file")
	}
	res.Warnings = append(res.Warnings, r.res.Warnings...)
	return res, fault.Op("migrate down", err)
}

func (r *runner) down(ctx context.Context, url string, to int64, res *DownResult) error {
	entries, end, err := r.begin(ctx, url)
	defer end()
	if err != nil {
		return err
	}
	res.From = current(entries)
	res.To = res.From
	steps, err := r.m.planDown(entries, to)
	if err != nil {
		return err
	}
	return r.changing(ctx, len(steps), &res.From, &res.To, func() error {
		for _, s := range steps {
			p := s.pass
			p.began = time.Now()
			if err := r.tell(p, r.run(ctx, p, s.Done)); err != nil {
				return err
			}
			entries[s.Version].State = Reverted
			res.To = current(entries)
			res.Reverted = append(res.Reverted, Done{s.Version, s.Name, p.total(), time.Since(p.began).Milliseconds()})
		}
		return nil
	})
}

// PlanDown returns what a Down would revert now, without a lock, and what would be lost with it.
func (m *Migrator) PlanDown(ctx context.Context, db Querier, to int64) ([]Step, error) {
	entries, err := readLedger(ctx, db)
	if err != nil {
		return nil, fault.Op("plan migrate down", err)
	}
	steps, err := m.planDown(entries, to)
	if err != nil {
		return nil, fault.Op("plan migrate down", err)
	}
	for i := range steps {
		if err := measure(ctx, db, steps[i].Losses); err != nil {
			return nil, fault.Op("plan migrate down", err)
		}
	}
	return steps, nil
}

func current(entries map[int64]*entry) int64 {
	var v int64
	for _, e := range entries {
		if e.State == Applied {
			v = max(v, e.Version)
		}
	}
	return v
}

func (m *Migrator) planDown(entries map[int64]*entry, to int64) ([]Step, error) {
	if e := entries[to]; to > 0 && (e == nil || e.State != Applied) {
		return nil, fault.New(fault.Usage, "%d is not applied, so the schema can't go down to it", to).
			WithHint("`platctl migrate status` lists what is; --to 0 reverts all of it")
	}
	newestFirst := slices.SortedFunc(maps.Values(entries), func(a, b *entry) int { return cmp.Compare(b.Version, a.Version) })
	var steps []Step
	for _, e := range newestFirst {
		if e.Version <= to || to == Newest && len(steps) == 1 {
			break
		}
		if (e.State == Failed || e.State == Running) && e.StmtDone > 0 {
			return nil, fault.New(fault.Conflict, "%d_%s is half applied: %d of %d statements; nothing was done", e.Version, e.Name, e.StmtDone, e.StmtTotal).
				WithHint("`platctl migrate up` goes on with it; then it can be reverted")
		}
		if e.State != Applied && e.State != Reverting {
			continue
		}
		s, err := m.step(e)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// step makes a Step of what the ledger knows.
func (m *Migrator) step(e *entry) (Step, error) {
	name := fmt.Sprintf("%d_%s.sql", e.Version, e.Name)
	mg, err := parseFile(name, "-- +goose Up\n-- +goose Down\n"+e.DownText, m.opts.Env)
	if err != nil {
		return Step{}, fault.Wrap(err, fault.Conflict, "the ledger's way down from %d_%s can't be read; nothing was done", e.Version, e.Name).
			WithHint("write a new migration that takes back what it did")
	}
	for i := range mg.Down.Statements {
		mg.Down.Statements[i].Line -= 2 // the marks above
	}
	if len(mg.Down.Statements) == 0 {
		return Step{}, fault.New(fault.Conflict, "%d_%s has no way down; nothing was done", e.Version, e.Name).
			WithHint("write a new migration that takes back what it did")
	}
	mg.Down.Stepwise = m.stepwise(e, mg)
	if err := cmp.Or(mg.Down.unset, checkControl(name, &mg.Down)); err != nil {
		return Step{}, err
	}
	s := Step{Version: e.Version, Name: e.Name, Transaction: !mg.Down.Stepwise, Statements: len(mg.Down.Statements), Losses: losses(mg.Down.Statements)}
	s.pass = pass{mg: mg, script: &mg.Down, down: true}
	if e.State == Reverting {
		s.Done = min(e.StmtDone, s.Statements)
		s.pass.begun = e.Begun
	}
	return s, nil
}

// stepwise says how a way down runs. Of rows that don't say, the file that was applied does; without it the SQL has to.
func (m *Migrator) stepwise(e *entry, mg *Migration) bool {
	if e.DownStepwise != nil {
		return *e.DownStepwise
	}
	if file := m.find(e.Version); file != nil && file.Down.SHA256 == e.DownSHA256 {
		return file.Down.Stepwise
	}
	return slices.ContainsFunc(mg.Down.Statements, func(st Statement) bool { return concurrent(st.SQL) })
}
