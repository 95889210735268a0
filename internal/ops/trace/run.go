package trace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/catalog"
	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/scratch"
)

// Options says what to trace, and where.
type Options struct {
	Files    fs.FS
	Migrate  migrate.Options // as production's; Watch and Session are the trace's own
	Server   string          // URL of a server that databases may be made on
	Template string          // the database of that server to copy; empty: start with an empty one
	From, To int64           // versions; 0: the first, the last
	Rows     int             // that empty tables are filled up to; 0: none
	Sizes    string          // URL of the database whose sizes count; empty: no estimates
	OnStep   func(Step)      // nobody; called in order
}

// Step says what a trace does now.
type Step struct {
	Doing   string // untraced, filling, up, down, again
	Version int64
	Name    string
	N, Of   int // of the traced files
}

// Run traces the migrations. The report holds what was seen also where an error comes with it.
func Run(ctx context.Context, o Options) (*Report, error) {
	rep, err := run(ctx, o)
	if err != nil && ctx.Err() != nil && fault.KindOf(err) != fault.Canceled {
		err = fault.Wrap(ctx.Err(), fault.Canceled, "interrupted; the scratch database is dropped")
	}
	return rep, fault.Op("trace migrations", err)
}

func run(ctx context.Context, o Options) (rep *Report, err error) {
	if o.OnStep == nil {
		o.OnStep = func(Step) {}
	}
	rep = &Report{Template: o.Template, Rows: o.Rows, Files: []*File{}}
	if o.Sizes != "" {
		if rep.Sizes, err = ReadSizes(ctx, o.Sizes); err != nil {
			return rep, err
		}
	}
	s, err := scratch.Make(ctx, o.Server, o.Template)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, s.Drop()) }()
	rep.Server, rep.Scratch = s.Version, s.Name
	j := &job{o: o, rep: rep, url: s.URL, told: map[Unfilled]bool{}}
	defer j.end()
	if err := j.open(ctx); err != nil {
		return rep, err
	}
	return rep, j.files(ctx)
}

// job is one trace on its scratch database.
type job struct {
	o   Options
	rep *Report
	url string

	m    *migrate.Migrator
	t    *tracer
	conn *pgx.Conn // the observer's
	told map[Unfilled]bool
}

func (j *job) open(ctx context.Context) (err error) {
	if j.conn, err = pg.Connect(ctx, j.url, "platctl migrate trace, observer"); err != nil {
		return err
	}
	j.t = newTracer(j.conn, j.url)
	if j.rep.Sizes != nil {
		if j.rep.Sizes.Speed, err = measureSpeed(ctx, j.conn); err != nil {
			return err
		}
	}
	mo := j.o.Migrate
	mo.Watch, mo.Session = j.t, []func(*pgx.ConnConfig){j.t.session}
	j.m, err = migrate.New(j.o.Files, mo)
	return err
}

func (j *job) end() {
	ctx, cancel := context.WithTimeout(context.Background(), gateTime)
	defer cancel()
	if j.t != nil {
		j.t.gates.end()
	}
	if j.conn != nil {
		_ = j.conn.Close(ctx)
	}
}

// files traces one file after the other, as far as they succeed.
func (j *job) files(ctx context.Context) error {
	todo, err := j.todo(ctx)
	if err != nil {
		return err
	}
	for i, mg := range todo {
		f := &File{Version: mg.Version, Name: mg.Name, Phase: mg.Phase, Transaction: !mg.Up.Stepwise,
			Up: []*Statement{}, Down: []*Statement{}, Hints: []Hint{}, Dangers: []string{}, Way: Way{Class: WayUnknown}}
		j.rep.Files = append(j.rep.Files, f)
		err := j.file(ctx, mg, f, func(doing string) {
			j.o.OnStep(Step{Doing: doing, Version: mg.Version, Name: mg.Name, N: i + 1, Of: len(todo)})
		})
		judge(f, j.rep.Sizes)
		j.rep.Dangers += len(f.Dangers)
		if err != nil {
			return err
		}
	}
	return nil
}

// todo returns the files to trace, and applies what stands before them.
func (j *job) todo(ctx context.Context) ([]*migrate.Migration, error) {
	pending, _, err := j.m.Plan(ctx, j.conn, j.o.To)
	if err != nil {
		return nil, err
	}
	first := 0
	for first < len(pending) && pending[first].Version < j.o.From {
		first++
	}
	if first == len(pending) {
		return nil, fault.New(fault.Usage, "there is no pending migration to trace").
			WithHint("`platctl migrate status` lists them; a template's own are applied already")
	}
	if j.rep.Untraced = first; first == 0 {
		return pending, nil
	}
	before := pending[first-1]
	j.o.OnStep(Step{Doing: "untraced", Version: before.Version, Name: before.Name, Of: len(pending) - first})
	j.t.muted = true
	_, err = j.m.Up(ctx, j.url, before.Version)
	j.t.muted = false
	return pending[first:], err
}

// file takes one file up, down and up again.
func (j *job) file(ctx context.Context, mg *migrate.Migration, f *File, doing func(string)) error {
	if j.o.Rows > 0 {
		doing("filling")
		unfilled, err := fill(ctx, j.conn, j.o.Rows)
		if err != nil {
			return err
		}
		for _, u := range unfilled {
			if !j.told[u] {
				j.told[u] = true
				f.Unfilled = append(f.Unfilled, u)
			}
		}
	}
	before, err := j.look(ctx)
	if err != nil {
		return err
	}
	doing("up")
	j.t.start()
	_, err = j.m.Up(ctx, j.url, mg.Version)
	f.Up = append(f.Up, j.t.out...)
	if err != nil {
		return j.failed(ctx, mg, f, false, err)
	}
	if len(mg.Down.Statements) == 0 {
		f.Way.Class = WayNone
		return nil
	}
	return j.back(ctx, mg, f, before, doing)
}

// back takes a file down and up again, and compares.
func (j *job) back(ctx context.Context, mg *migrate.Migration, f *File, before *state, doing func(string)) error {
	first, err := catalog.Read(ctx, j.conn)
	if err != nil {
		return err
	}
	doing("down")
	j.t.start()
	_, err = j.m.Down(ctx, j.url, migrate.Newest)
	f.Down = append(f.Down, j.t.out...)
	if err != nil {
		return j.failed(ctx, mg, f, true, err)
	}
	after, err := j.look(ctx)
	if err != nil {
		return err
	}
	doing("again")
	j.t.muted = true
	_, err = j.m.Up(ctx, j.url, mg.Version)
	j.t.muted = false
	if err != nil {
		return j.failed(ctx, mg, f, false, fmt.Errorf("after a way down the way up fails: %w", err))
	}
	second, err := catalog.Read(ctx, j.conn)
	if err != nil {
		return err
	}
	f.Way = compare(before, after, first, second)
	return nil
}

// failed keeps a failure: which statement, and what the ledger says of the file now.
func (j *job) failed(ctx context.Context, mg *migrate.Migration, f *File, down bool, err error) error {
	fl := &Failure{Down: down, SQLState: pg.State(err), Message: err.Error(), State: "unknown"}
	out := f.Up
	if down {
		out = f.Down
	}
	if len(out) > 0 && fl.SQLState != "" {
		fl.Statement, fl.Line = out[len(out)-1].Index, out[len(out)-1].Line
	}
	f.Failure = fl
	if st, serr := j.m.Status(context.WithoutCancel(ctx), j.conn); serr == nil {
		for _, r := range st.Rows {
			if r.Version == mg.Version {
				fl.State = fmt.Sprintf("%s, %d of %d statements", r.State, r.Done, r.Statements)
			}
		}
	}
	if ctx.Err() != nil {
		return err
	}
	return fault.Wrap(err, fault.Failed, "a migration fails; nothing but the scratch database was touched").
		WithHint("correct the file and trace it again")
}
