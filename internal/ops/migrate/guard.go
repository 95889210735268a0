package migrate

import (
	"context"
	_ "embed"
)

//go:embed sql/allowed.sql
var sqlAllowed string

// Guard is asked, with the runner's lock held and before anything is applied, whether these migrations may be. What it returns
// besides an error goes into the ledger's log for each file of phase contract: why it was let through.
type Guard func(ctx context.Context, todo []*Migration) (allowed string, err error)

// guard asks Options.Guard where a file of phase contract is pending.
func (r *runner) guard(ctx context.Context, todo []*Migration) error {
	if r.m.opts.Guard == nil || !Contracts(todo) {
		return nil
	}
	allowed, err := r.m.opts.Guard(ctx, todo)
	if err != nil || allowed == "" {
		return err
	}
	for _, mg := range todo {
		if mg.Phase != "contract" {
			continue
		}
		if _, err := r.conn.Exec(ctx, sqlAllowed, mg.Version, mg.Name, len(mg.Up.Statements), allowed, r.m.opts.Release, r.m.opts.ToolVersion); err != nil {
			return databaseFault(err, "the ledger's log can't be written; nothing was done")
		}
	}
	return nil
}

// Contracts says whether one of the migrations declares that what runs now doesn't live on with it.
func Contracts(list []*Migration) bool {
	for _, mg := range list {
		if mg.Phase == "contract" {
			return true
		}
	}
	return false
}

// Quiet returns the same files in a set that tells nobody and asks nobody, for a database of its own.
func (m *Migrator) Quiet() *Migrator {
	quiet := *m
	quiet.opts.OnEvent, quiet.opts.Guard = func(Event) {}, nil
	return &quiet
}
