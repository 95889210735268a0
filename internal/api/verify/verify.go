// Package verify finds rows that contradict each other in the API's database, and repairs them.
//
// Invariants: every check reads one statement, so one snapshot, and a server that runs meanwhile causes no false drift; rows
// are streamed, so memory doesn't grow with the drift. A repair works in batches of 500, each in a transaction that locks what
// it decides about and looks again before it writes, so it never undoes what somebody did since. After a repair the check
// runs once more: what is reported as left was seen. A dataset that is half written is checked, and never repaired.
//
// The statements stand in sql/ and not among the named queries: they belong to no release's contract.
package verify

import (
	"cmp"
	"context"
	"embed"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/*.sql
var files embed.FS

// Options says what to do about drift.
type Options struct {
	Repair  bool
	OnCheck func(name string) // called before each check; may be nil
}

// Report is what the checks found.
type Report struct {
	Checks []Finding `json:"checks"`
	Drift  int64     `json:"drift"`    // rows found
	Fixed  int64     `json:"repaired"` // rows written
	Left   int64     `json:"left"`     // rows that are wrong now

	Unfinished string `json:"unfinished,omitempty"` // the dataset whose seeding was cut off: until it is there, rows contradict each other
}

// Finding is the answer of one check.
type Finding struct {
	Check    string   `json:"check"`
	Rule     string   `json:"rule"`
	Drift    int64    `json:"drift"`
	Examples []string `json:"examples,omitempty"` // the first five
	Fixed    int64    `json:"repaired"`
	Left     int64    `json:"left"`
	Skipped  string   `json:"skipped,omitempty"` // why it didn't run
	Hint     string   `json:"hint,omitempty"`    // how to repair what this can't
}

const (
	batchSize = 500
	examples  = 5
)

// Run checks the database at url, and repairs it where it is asked to.
func Run(ctx context.Context, url string, o Options) (Report, error) {
	v := &verifier{o: o}
	var err error
	if v.reader, err = pg.Connect(ctx, url, "platctl db verify"); err != nil {
		return Report{}, err
	}
	defer v.reader.Close(context.WithoutCancel(ctx))
	if v.writer, err = pg.Connect(ctx, url, "platctl db verify, repairs"); err != nil {
		return Report{}, err
	}
	defer v.writer.Close(context.WithoutCancel(ctx))
	rep, err := v.run(ctx)
	return rep, fault.Op("verify", err)
}

type verifier struct {
	o              Options
	reader, writer *pgx.Conn
}

func (v *verifier) run(ctx context.Context) (Report, error) {
	rep := Report{Checks: []Finding{}}
	if _, err := v.writer.Exec(ctx, "set lock_timeout = '5s'"); err != nil {
		return rep, databaseFault(err, "lock_timeout can't be set")
	}
	if there, err := v.hasTable(ctx, "notification_state"); err != nil || !there {
		return rep, cmp.Or(err, error(fault.New(fault.Unavailable, "the database has not the tables of this platctl").WithHint("platctl migrate up")))
	}
	st, err := seed.Inspect(ctx, v.reader)
	if err != nil {
		return rep, err
	}
	if !st.Empty && !st.Foreign && !st.Complete {
		rep.Unfinished = st.Name()
	}
	if rep.Unfinished != "" && v.o.Repair {
		return rep, fault.New(fault.Refused, "the dataset %s is half written; a repair would make the other half wrong", rep.Unfinished).
			WithHint("finish it first: `platctl db seed --scale %s --seed %d`", st.Scale, st.Seed)
	}
	all, err := v.checks(ctx)
	if err != nil {
		return rep, err
	}
	for _, c := range all {
		if v.o.OnCheck != nil {
			v.o.OnCheck(c.name)
		}
		f, err := v.check(ctx, c)
		if err != nil {
			return rep, err
		}
		rep.Checks = append(rep.Checks, f)
		rep.Drift, rep.Fixed, rep.Left = rep.Drift+f.Drift, rep.Fixed+f.Fixed, rep.Left+f.Left
	}
	return rep, nil
}

func (v *verifier) hasTable(ctx context.Context, name string) (bool, error) {
	var there bool
	err := v.reader.QueryRow(ctx, text("has_table"), name).Scan(&there)
	return there, databaseFault(err, "the tables can't be read")
}

func (v *verifier) check(ctx context.Context, c check) (Finding, error) {
	f := Finding{Check: c.name, Rule: c.rule, Hint: c.hint}
	if c.needs != "" {
		there, err := v.hasTable(ctx, c.needs)
		if err != nil {
			return f, err
		}
		if !there {
			f.Skipped, f.Hint = "this schema has no table "+c.needs, ""
			return f, nil
		}
	}
	repair := v.o.Repair && len(c.repair) > 0
	err := v.scan(ctx, c, func(a, b []int64, says []string) error {
		f.Drift += int64(len(a))
		f.Examples = append(f.Examples, says[:min(len(says), examples-len(f.Examples))]...)
		if !repair {
			return nil
		}
		n, err := v.fix(ctx, c, a, b)
		f.Fixed += n
		return err
	})
	f.Left = f.Drift
	if err != nil || f.Drift == 0 || !repair {
		if f.Drift == 0 {
			f.Hint = ""
		}
		return f, err
	}
	f.Left = 0
	err = v.scan(ctx, c, func(a, _ []int64, _ []string) error { f.Left += int64(len(a)); return nil })
	return f, err
}

// scan streams the drift of a check in batches.
func (v *verifier) scan(ctx context.Context, c check, batch func(a, b []int64, says []string) error) error {
	rows, err := v.reader.Query(ctx, c.find)
	if err != nil {
		return databaseFault(err, "the check "+c.name+" can't run")
	}
	defer rows.Close()
	var as, bs []int64
	var texts []string
	flush := func() error {
		if len(as) == 0 {
			return nil
		}
		err := batch(as, bs, texts)
		as, bs, texts = as[:0], bs[:0], texts[:0]
		return err
	}
	for rows.Next() {
		var a, b int64
		var says string
		if err := rows.Scan(&a, &b, &says); err != nil {
			return databaseFault(err, "the check "+c.name+" can't be read")
		}
		as, bs, texts = append(as, a), append(bs, b), append(texts, says)
		if len(as) == batchSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return databaseFault(err, "the check "+c.name+" can't be read")
	}
	return flush()
}

// fix runs the statements of a repair on one batch and returns how many rows the last one wrote.
func (v *verifier) fix(ctx context.Context, c check, a, b []int64) (int64, error) {
	var n int64
	err := pg.InTx(ctx, v.writer, func(tx pgx.Tx) error {
		for _, s := range c.repair {
			args := []any{a, b}[:s.args]
			tag, err := tx.Exec(ctx, s.sql, args...)
			if err != nil {
				return err
			}
			n = tag.RowsAffected()
		}
		return nil
	})
	if pg.Is(err, pg.LockNotAvailable) {
		return 0, fault.Wrap(err, fault.Busy, "the rows of %s are locked; what was repaired before stays", c.name).
			WithHint("`platctl db verify --repair` goes on")
	}
	return n, databaseFault(err, "the repair of "+c.name+" failed; what was repaired before stays")
}

func databaseFault(err error, what string) error {
	if err == nil || fault.KindOf(err) == fault.Canceled {
		return err
	}
	return fault.Wrap(err, fault.Failed, "%s", what)
}
