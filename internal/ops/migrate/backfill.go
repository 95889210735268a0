package migrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/progress.sql
var sqlProgress string

//go:embed sql/key.sql
var sqlKey string

//go:embed sql/next_batch.sql
var sqlNextBatch string

//go:embed sql/lag.sql
var sqlLag string

// Batch is how a backfill goes over a table: so many rows at a time, in the order of a key, each batch in a transaction of its own that
// also writes how far it is. The file has one statement, which says :from and :to: the first and the last key of a batch.
type Batch struct {
	Table string        `json:"table"`
	Key   string        `json:"key"`
	Size  int           `json:"size"`
	Pause time.Duration `json:"pause_ns"` // after each batch
}

// Progress is how far a backfill is. It is in the ledger, and commits with the rows.
type Progress struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Last  string `json:"last"` // key that is done; empty before the first batch
	Rows  int64  `json:"rows"` // that are done
	Of    int64  `json:"of"`   // as PostgreSQL estimated at the start; 0: not known
}

// maxLag is how far behind a standby may be before a backfill waits for it.
const maxLag = 10 * time.Second

var batchForm = regexp.MustCompile(`^(\S+) by (\S+)(?: size (\d+))?(?: pause (\S+))?$`)

// batch reads `-- platctl: batch TABLE by KEY size 1000 pause 50ms`.
func (p *parser) batch(value string) error {
	match := batchForm.FindStringSubmatch(value)
	if match == nil {
		return p.fail("batch %q is not TABLE by KEY [size 1000] [pause 50ms]", value)
	}
	b := &Batch{Table: match[1], Key: match[2], Size: 1000}
	if match[3] != "" {
		if b.Size, _ = strconv.Atoi(match[3]); b.Size < 1 || b.Size > 1_000_000 {
			return p.fail("size %s is not a number from 1 to 1000000", match[3])
		}
	}
	if match[4] != "" {
		pause, err := p.timeout("pause", match[4])
		if err != nil {
			return err
		}
		b.Pause = *pause
	}
	p.m.batch = b
	return nil
}

// checkBatch refuses a backfill that can't be one, and makes a good one run outside of a transaction over all of it.
func checkBatch(mg *Migration) error {
	if mg.batch == nil {
		return nil
	}
	hint := "update …, with `where KEY between :from and :to`"
	switch {
	case mg.Phase != "backfill":
		return fault.New(fault.Invalid, "%s: batch is for a file of phase backfill", mg.File).WithHint("add the line \"-- platctl: phase backfill\"")
	case len(mg.Up.Statements) != 1:
		return fault.New(fault.Invalid, "%s: a backfill in batches has one statement, not %d", mg.File, len(mg.Up.Statements)).WithHint("%s", hint)
	}
	if _, from, to := bounds(mg.Up.Statements[0].SQL, ""); !from || !to {
		return fault.New(fault.Invalid, "%s:%d: the statement doesn't say :from and :to, so each batch would do all rows", mg.File, mg.Up.Statements[0].Line).
			WithHint("%s", hint)
	}
	mg.Up.Stepwise = true
	return nil
}

// bounds replaces :from and :to by parameters of the key's type, and says whether they are there.
func bounds(sql, keyType string) (out string, from, to bool) {
	var b strings.Builder
	at := 0
	tokens := sqltoken.Split(sql)
	for i := 1; i < len(tokens); i++ {
		t := tokens[i]
		if !tokens[i-1].Is(":") || tokens[i-1].At+1 != t.At || i > 1 && tokens[i-2].Is(":") || !t.Is("from") && !t.Is("to") {
			continue
		}
		n := "$1"
		if t.Is("to") {
			n, to = "$2", true
		} else {
			from = true
		}
		fmt.Fprintf(&b, "%s%s::text::%s", sql[at:t.At-1], n, keyType)
		at = t.At + len(t.Text)
	}
	b.WriteString(sql[at:])
	return b.String(), from, to
}

// backfill is one file that goes over a table in batches.
type backfill struct {
	*runner
	p        pass
	b        *Batch
	sql      string // the file's, with parameters
	next     string // finds the next batch
	progress Progress
	began    time.Time
	before   int64     // rows that an earlier run has done
	told     time.Time // of the progress
}

// batches runs a file over a table. What is done stays done, whatever ends it, and the next up goes on behind it.
func (r *runner) batches(ctx context.Context, p pass) error {
	if err := r.fence(ctx); err != nil {
		return err
	}
	f := &backfill{runner: r, p: p, b: p.mg.batch, began: time.Now()}
	if err := f.prepare(ctx); err != nil {
		return err
	}
	kind := EventStarted
	if f.before > 0 {
		kind = EventResumed
	}
	now := f.progress
	r.emit(Event{Kind: kind, Version: p.mg.Version, Name: p.mg.Name, Total: 1, Progress: &now})
	if err := r.record(ctx, p, Running, 0, ""); err != nil {
		return databaseFault(err, "%s can't be noted as running; nothing of it was applied", p.mg.File)
	}
	if err := f.over(ctx); err != nil {
		r.note(p, 0, err)
		return r.explain(ctx, p, err, fmt.Sprintf("%d of about %d rows are done, and `%s` goes on behind them", f.progress.Rows, f.progress.Of, p.command()))
	}
	return databaseFault(r.end(ctx, p), "%s is applied and not noted; `%s` notes it", p.mg.File, p.command())
}

// prepare asks what the key is, and where an earlier run has stopped.
func (f *backfill) prepare(ctx context.Context) error {
	var keyType string
	var indexed bool
	err := f.conn.QueryRow(ctx, sqlKey, f.b.Table, f.b.Key).Scan(&keyType, &indexed, &f.progress.Of)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.New(fault.Invalid, "%s: there is no column %s of %s; nothing was done", f.p.mg.File, f.b.Key, f.b.Table).
			WithHint("correct the batch line")
	case err != nil:
		return databaseFault(err, "%s: the key can't be looked up", f.p.mg.File)
	case !indexed:
		return fault.New(fault.Invalid, "%s: no index of %s begins with %s, so each batch would read the table; nothing was done", f.p.mg.File, f.b.Table, f.b.Key).
			WithHint("go by the primary key, or create the index in a migration before it")
	}
	f.progress.Table, f.progress.Key = f.b.Table, f.b.Key
	if old := f.p.progress; old != nil {
		if old.Table != f.b.Table || old.Key != f.b.Key {
			return fault.New(fault.Conflict, "%s stopped behind %s %s of %s, and now goes over %s by %s; nothing was done", f.p.mg.File, old.Key, old.Last, old.Table, f.b.Table, f.b.Key).
				WithHint("restore the batch line; another table or key is another migration")
		}
		f.progress, f.before = *old, old.Rows
	}
	f.sql, _, _ = bounds(f.p.script.Statements[0].SQL, keyType)
	f.next = strings.NewReplacer("{key}", f.b.Key, "{table}", f.b.Table, "{type}", keyType).Replace(sqlNextBatch)
	return nil
}

// over goes over what is left of the table.
func (f *backfill) over(ctx context.Context) error {
	for {
		var done bool
		err := f.retry(ctx, f.p, 0, func() (err error) { done, err = f.one(ctx); return err })
		if err != nil {
			return err
		}
		f.tell(done)
		if done {
			return nil
		}
		if err := f.rest(ctx); err != nil {
			return err
		}
	}
}

// one does one batch in a transaction with its progress.
func (f *backfill) one(ctx context.Context) (done bool, err error) {
	if err := f.exec(ctx, "begin; "+timeouts(f.p.mg, f.m.opts.LockTimeout, "set local")); err != nil {
		f.rollback()
		return false, err
	}
	now := f.progress
	if done, err = f.inBatch(ctx, &now); err == nil {
		err = f.exec(context.WithoutCancel(ctx), "commit")
	}
	if err != nil {
		f.rollback()
		return false, err
	}
	f.progress = now
	return done, nil
}

func (f *backfill) inBatch(ctx context.Context, now *Progress) (done bool, err error) {
	var last, first, until *string
	if now.Last != "" {
		last = &now.Last
	}
	var n int64
	if err := f.conn.QueryRow(ctx, f.next, last, f.b.Size).Scan(&first, &until, &n); err != nil {
		return false, err
	}
	if n == 0 {
		return true, nil
	}
	st := f.p.script.Statements[0]
	run := func() error { _, err := f.conn.Exec(ctx, f.sql, *first, *until); return err }
	if last == nil {
		err = f.between(ctx, f.p, 0, st, run)
	} else {
		err = run()
	}
	if err != nil {
		return false, &failure{st: st, err: err}
	}
	now.Last, now.Rows = *until, now.Rows+n
	if _, err := f.conn.Exec(ctx, sqlProgress, f.p.mg.Version, now); err != nil {
		return false, err
	}
	return n < int64(f.b.Size), nil
}

// rest pauses, and then as long as a standby is too far behind.
func (f *backfill) rest(ctx context.Context) error {
	if err := sleep(ctx, f.b.Pause); err != nil {
		return err
	}
	for {
		var lag float64
		if err := f.conn.QueryRow(ctx, sqlLag).Scan(&lag); err != nil {
			return err
		}
		if lag < maxLag.Seconds() {
			return ctx.Err()
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// tell emits the progress, once a second and at the end.
func (f *backfill) tell(done bool) {
	if !done && time.Since(f.told) < time.Second {
		return
	}
	f.told = time.Now()
	now := f.progress
	e := Event{Kind: EventProgress, Version: f.p.mg.Version, Name: f.p.mg.Name, Total: 1, Took: time.Since(f.began), Progress: &now}
	if n := now.Rows - f.before; n > 0 && now.Of > now.Rows {
		e.Left = time.Duration(float64(e.Took) / float64(n) * float64(now.Of-now.Rows))
	}
	f.emit(e)
}

// String tells the progress to a person.
func (p Progress) String() string {
	if p.Of == 0 {
		return fmt.Sprintf("%d rows", p.Rows)
	}
	return fmt.Sprintf("%d of about %d rows", p.Rows, max(p.Of, p.Rows))
}
