package migrate

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/catalog"
)

//go:embed sql/repair.sql
var sqlRepair string

// Repair is what a person says of a migration that the ledger can't know.
type Repair string

// The repairs.
const (
	MarkApplied  Repair = "applied"  // all of it is in the schema: the ledger has it halfway, or not at all
	MarkReverted Repair = "reverted" // nothing of it is in the schema
	AcceptFile   Repair = "accept"   // the file was changed after it was applied, and the change doesn't matter
)

// Repaired is a row of the ledger before and after a repair.
type Repaired struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// PlanRepair returns what Repair would change now.
func (m *Migrator) PlanRepair(ctx context.Context, db Querier, version int64, how Repair) (*Repaired, error) {
	entries, err := readLedger(ctx, db)
	if err != nil {
		return nil, fault.Op("repair the ledger", err)
	}
	rep, err := m.planRepair(entries, version, how)
	return rep, fault.Op("repair the ledger", err)
}

func (m *Migrator) planRepair(entries map[int64]*entry, version int64, how Repair) (*Repaired, error) {
	e, mg := entries[version], m.find(version)
	if err := repairable(e, mg, version, how); err != nil {
		return nil, err
	}
	rep := &Repaired{Version: version, From: string(Pending), To: string(Applied)}
	if mg != nil {
		rep.Name = mg.Name
	}
	if e != nil {
		rep.Name, rep.From = e.Name, describe(e)
	}
	if how == MarkReverted {
		rep.To = string(Reverted)
	}
	switch {
	case how == AcceptFile && len(changed(mg, e)) == 0:
		return nil, fault.New(fault.Conflict, "the file of %d_%s is what was applied", e.Version, e.Name).WithHint("`platctl migrate status` lists what was changed")
	case how == AcceptFile:
		rep.From, rep.To = "the text that was applied", "the text of the file"
	case rep.From == rep.To:
		return nil, fault.New(fault.Conflict, "%d_%s is %s already", version, rep.Name, rep.To).WithHint("`platctl migrate status` lists what stands halfway")
	}
	return rep, nil
}

func repairable(e *entry, mg *Migration, version int64, how Repair) error {
	switch {
	case e == nil && mg == nil:
		return fault.New(fault.Usage, "neither the ledger nor a file knows version %d", version).WithHint("`platctl migrate status` lists them")
	case mg == nil && how != MarkReverted:
		return fault.New(fault.Conflict, "there is no file of version %d, so its text can't be written", version).
			WithHint("point --dir at the folder that has it")
	case e == nil && how != MarkApplied:
		return fault.New(fault.Conflict, "%d_%s is pending: there is nothing to repair", version, mg.Name).WithHint("`platctl migrate up` applies it")
	}
	return nil
}

func describe(e *entry) string {
	if e.State == Applied || e.State == Reverted {
		return string(e.State)
	}
	return fmt.Sprintf("%s (%d of %d)", e.State, e.StmtDone, e.StmtTotal)
}

// Repair writes into the ledger what a person says is true of the schema. It runs nothing; the ledger's log keeps who said it and why.
func (m *Migrator) Repair(ctx context.Context, url string, version int64, how Repair, why string) (*Repaired, error) {
	r := &runner{m: m, res: &Result{}}
	entries, end, err := r.begin(ctx, url)
	defer end()
	if err != nil {
		return nil, fault.Op("repair the ledger", err)
	}
	rep, err := m.planRepair(entries, version, how)
	if err != nil {
		return nil, fault.Op("repair the ledger", err)
	}
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		state, done := Reverted, 0
		if how != MarkReverted {
			mg := m.find(version)
			p := pass{mg: mg, script: &mg.Up, adopted: true, began: time.Now()}
			if e := entries[version]; e != nil {
				p.began = e.StartedAt
			}
			state, done = Applied, p.total()
			if err := r.end(ctx, p); err != nil {
				return err
			}
		}
		if _, err := r.conn.Exec(ctx, sqlRepair, version, state, done, "repair: "+why, m.opts.ToolVersion); err != nil {
			return err
		}
		now, err := catalog.Read(ctx, tx) // what was done by hand is no drift any more
		if err != nil {
			return err
		}
		return r.keep(ctx, now.Fingerprint, now, current(entries), current(entries))
	})
	if err != nil {
		return nil, databaseFault(err, "the ledger can't be written")
	}
	return rep, nil
}
