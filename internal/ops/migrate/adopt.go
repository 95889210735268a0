package migrate

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/catalog"
)

//go:embed sql/foreign.sql
var sqlForeign string

// Foreign is a table in which another tool keeps what it has applied.
type Foreign struct {
	Table string `json:"table"`
	Tool  string `json:"tool"` // goose, golang-migrate, dbmate or tern
}

// Adoption is what another tool has applied, by its table and our files.
type Adoption struct {
	Foreign
	Applied []Adopted `json:"applied"`
	Pending int       `json:"pending"` // files that it hasn't applied
}

// Adopted is a migration that another tool has applied.
type Adopted struct {
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	At      time.Time `json:"at,omitzero"` // where the tool keeps it
}

// FindForeign returns the tables of other tools.
func FindForeign(ctx context.Context, db Querier) ([]Foreign, error) {
	rows, err := db.Query(ctx, sqlForeign)
	if err != nil {
		return nil, databaseFault(err, "the tables of other tools can't be looked for")
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Foreign])
	if err != nil {
		return nil, databaseFault(err, "the tables of other tools can't be looked for")
	}
	return all, nil
}

// PlanAdopt returns what Adopt would write now. table is the tool's; empty where the database has only one such table.
func (m *Migrator) PlanAdopt(ctx context.Context, db Querier, table string) (*Adoption, error) {
	a, err := m.planAdopt(ctx, db, table)
	return a, fault.Op("adopt migrations", err)
}

func (m *Migrator) planAdopt(ctx context.Context, db Querier, table string) (*Adoption, error) {
	entries, err := readLedger(ctx, db)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fault.New(fault.Conflict, "the ledger platctl.migrations has %d migrations already", len(entries)).
			WithHint("what another tool has applied is adopted once, before platctl applies anything")
	}
	f, err := choose(ctx, db, table)
	if err != nil {
		return nil, err
	}
	applied, err := f.read(ctx, db, m)
	if err != nil {
		return nil, err
	}
	a := &Adoption{Foreign: f, Applied: []Adopted{}, Pending: len(m.all)}
	var missing []string
	for _, v := range applied {
		mg := m.find(v.Version)
		if mg == nil {
			missing = append(missing, fmt.Sprint(v.Version))
			continue
		}
		a.Applied = append(a.Applied, Adopted{v.Version, mg.Name, v.At})
		a.Pending--
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "%s has applied %s, and there is no such file", f.Tool, strings.Join(missing[:min(len(missing), 5)], ", ")).
			WithHint("point --dir at the folder that %s used, with every file in it", f.Tool)
	}
	return a, nil
}

// refuseForeign refuses a database that another tool has migrated: applying its files again would fail halfway, or do harm.
func (r *runner) refuseForeign(ctx context.Context, entries map[int64]*entry) error {
	if len(entries) > 0 || r.m.opts.FromNothing {
		return nil
	}
	all, err := FindForeign(ctx, r.conn)
	if err != nil || len(all) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "%s has kept in %s what it applied here, and the ledger is empty; nothing was done", all[0].Tool, all[0].Table).
		WithHint("`platctl migrate adopt` takes it over; where the table is another program's, add --from-nothing")
}

func choose(ctx context.Context, db Querier, table string) (Foreign, error) {
	all, err := FindForeign(ctx, db)
	if err != nil {
		return Foreign{}, err
	}
	var names []string
	for _, f := range all {
		if f.Table == table || table == "" && len(all) == 1 {
			return f, nil
		}
		names = append(names, fmt.Sprintf("%s (%s)", f.Table, f.Tool))
	}
	if len(all) == 0 {
		return Foreign{}, fault.New(fault.Conflict, "there is no table of goose, golang-migrate, dbmate or tern in this database").
			WithHint("`platctl migrate up` starts from nothing")
	}
	return Foreign{}, fault.New(fault.Usage, "there are %s", strings.Join(names, ", ")).WithHint("name one of the tables with --table")
}

// read returns what the table says is applied, in the order of versions.
func (f Foreign) read(ctx context.Context, db Querier, m *Migrator) ([]Adopted, error) {
	sql := map[string]string{
		// Each up and down is a row; the newest one of a version counts. Version 0 is goose's own first row.
		"goose": `select version_id, '', tstamp::timestamptz from (select distinct on (version_id) version_id, is_applied, tstamp from %s
			where version_id > 0 order by version_id, id desc) newest where is_applied`,
		"dbmate":         `select version::bigint, '', null::timestamptz from %s`,
		"golang-migrate": `select version, case when dirty then 'dirty' else '' end, null::timestamptz from %s`,
		"tern":           `select version::bigint, '', null::timestamptz from %s`,
	}[f.Tool]
	rows, err := db.Query(ctx, fmt.Sprintf(sql, f.Table))
	if err != nil {
		return nil, databaseFault(err, "%s can't be read", f.Table)
	}
	var out []Adopted
	var a Adopted
	var at *time.Time
	var dirty bool
	_, err = pgx.ForEachRow(rows, []any{&a.Version, &a.Name, &at}, func() error {
		dirty = dirty || a.Name != ""
		if a.At = (time.Time{}); at != nil {
			a.At = at.UTC()
		}
		out = append(out, a)
		return nil
	})
	switch {
	case err != nil:
		return nil, databaseFault(err, "%s can't be read", f.Table)
	case dirty:
		return nil, fault.New(fault.Conflict, "%s says that version %d is dirty: it stands halfway", f.Table, out[0].Version).
			WithHint("finish or take back by hand what it has begun, then force the version with golang-migrate")
	case f.Tool == "golang-migrate" || f.Tool == "tern":
		return upTo(m, out), nil
	}
	slices.SortFunc(out, func(a, b Adopted) int { return cmp.Compare(a.Version, b.Version) })
	return out, nil
}

// upTo makes the list of a tool that keeps the newest version only.
func upTo(m *Migrator, newest []Adopted) []Adopted {
	if len(newest) == 0 || newest[0].Version == 0 {
		return nil
	}
	var out []Adopted
	for _, mg := range m.all {
		if mg.Version < newest[0].Version {
			out = append(out, Adopted{Version: mg.Version})
		}
	}
	return append(out, newest[0])
}

// Adopt writes into the ledger what another tool has applied. It runs nothing and leaves the other tool's table alone.
func (m *Migrator) Adopt(ctx context.Context, url, table string) (*Adoption, error) {
	r := &runner{m: m, res: &Result{}}
	_, end, err := r.begin(ctx, url)
	defer end()
	if err != nil {
		return nil, fault.Op("adopt migrations", err)
	}
	a, err := m.planAdopt(ctx, r.conn, table)
	if err != nil {
		return nil, fault.Op("adopt migrations", err)
	}
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		now, err := catalog.Read(ctx, tx)
		if err != nil {
			return err
		}
		r.m.opts.Release = "adopted from " + a.Tool
		newest := int64(0)
		for _, v := range a.Applied {
			mg := m.find(v.Version)
			p := pass{mg: mg, script: &mg.Up, began: v.At, adopted: true}
			if p.began.IsZero() {
				p.began = time.Now()
			}
			if err := r.end(ctx, p); err != nil {
				return err
			}
			newest = v.Version
		}
		return r.keep(ctx, now.Fingerprint, now, 0, newest)
	})
	if err != nil {
		return nil, databaseFault(err, "nothing was adopted")
	}
	return a, nil
}
