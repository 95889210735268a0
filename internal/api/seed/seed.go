package seed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/base/fault"
)

//go:embed sql/written.sql
var sqlWritten string

//go:embed sql/chunk.sql
var sqlChunk string

//go:embed sql/finish.sql
var sqlFinish string

//go:embed sql/analyze.sql
var sqlAnalyze string

//go:embed sql/content.sql
var sqlContent string

// Hasher makes the stored form of a password.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
}

// Options says what to write.
type Options struct {
	Scale      Scale
	Seed       int64
	Hasher     Hasher
	Store      store.Store    // where the files of pictures go; nil: there are none
	Now        time.Time      // where a new dataset ends; one that is gone on with keeps its own
	Erase      bool           // lose what the database holds
	OnProgress func(Progress) // called after each chunk; may be nil
}

// Name names the dataset: scale-seed-vGENERATOR.
func (o Options) Name() string { return name(o.Scale.Name, o.Seed, Generator) }

// Progress is how far a run is.
type Progress struct {
	Doing   string        // writing, vacuuming, hashing or counting
	Rows    int64         // in the database
	Total   int64         // of the dataset
	Elapsed time.Duration // of this run
	Left    time.Duration // of the writing, at the speed so far; 0: not known yet
}

// Result is what the database holds now.
type Result struct {
	Dataset string           `json:"dataset"` // scale-seed-vGENERATOR
	Hash    string           `json:"hash"`    // of the content, whatever order it was written in
	Rows    map[string]int64 `json:"rows,omitempty"`
	Written int64            `json:"written"`           // rows of this run; 0: it was all there
	Files   int              `json:"files"`             // of pictures, that this run put into the store
	Differs []Difference     `json:"differs,omitempty"` // of a dataset that was all there: what is no longer as it was written
	Resumed bool             `json:"resumed"`
	Seconds float64          `json:"seconds"`
}

// Difference is a table of the dataset that has lost rows, or gained some that belong to its posts and people.
type Difference struct {
	Table  string `json:"table"`
	Seeded int64  `json:"seeded"`
	Now    int64  `json:"now"`
}

// Run writes the dataset, or the rest of it. A context that ends leaves a state that the next run goes on with. The session is
// Run's own meanwhile.
func Run(ctx context.Context, conn *pgx.Conn, o Options) (Result, error) {
	l := &loader{conn: conn, o: o, start: time.Now()}
	release, err := l.lock(ctx)
	if err != nil {
		return Result{}, fault.Op("seed", err)
	}
	defer release()
	res, err := l.run(ctx)
	return res, fault.Op("seed", err)
}

// Demo writes the smallest dataset to an empty database, or goes on with it, and says whether it did. It leaves every other
// database alone.
func Demo(ctx context.Context, conn *pgx.Conn, hasher Hasher, pictures store.Store) (bool, error) {
	st, err := Inspect(ctx, conn)
	if err != nil {
		return false, fault.Op("seed demo data", err)
	}
	o := Options{Scale: Scales()[0], Seed: 1, Hasher: hasher, Store: pictures, Now: time.Now()}
	if !st.Empty && (st.Foreign || st.Complete || st.Name() != name(o.Scale.Name, o.Seed, Generator)) {
		return false, nil
	}
	_, err = Run(ctx, conn, o)
	return err == nil, fault.Op("seed demo data", err)
}

type loader struct {
	conn  *pgx.Conn
	o     Options
	start time.Time
}

func (l *loader) name() string { return l.o.Name() }

func (l *loader) run(ctx context.Context) (Result, error) {
	st, err := Inspect(ctx, l.conn)
	if err != nil {
		return Result{}, err
	}
	res := Result{Dataset: l.name()}
	w, err := l.begin(ctx, st)
	if err != nil {
		return res, err
	}
	done, err := l.written(ctx)
	if err != nil {
		return res, err
	}
	res.Resumed = len(done) > 0 && !st.Complete
	if st.Complete && !l.o.Erase && !st.Empty {
		return l.same(ctx, w, st, res)
	}
	files, kept, err := w.keepFiles(ctx, l.o.Store)
	if res.Files = kept; err != nil {
		return res, err
	}
	blobs, err := w.blobRows(files)
	if err != nil {
		return res, err
	}
	if res.Written, err = l.write(ctx, w, blobs, done); err != nil {
		return res, err
	}
	l.tell(Progress{Doing: "vacuuming"})
	if _, err := l.conn.Exec(ctx, sqlAnalyze); err != nil {
		return res, databaseFault(err, "the tables can't be vacuumed")
	}
	l.tell(Progress{Doing: "hashing"})
	if res.Rows, res.Hash, err = content(ctx, l.conn, w, true); err != nil {
		return res, err
	}
	_, err = l.conn.Exec(ctx, sqlFinish, res.Hash, res.Rows)
	res.Seconds = time.Since(l.start).Round(time.Millisecond).Seconds()
	return res, databaseFault(err, "the end of the seeding can't be recorded")
}

// same answers for a dataset that was written before: its rows are counted and not hashed, which takes a second where hashing
// takes ten. When they are all there, files that the store has lost are drawn again; otherwise nobody may ask for them.
func (l *loader) same(ctx context.Context, w *world, st State, res Result) (Result, error) {
	res.Hash = st.Hash
	l.tell(Progress{Doing: "counting"})
	var err error
	if res.Rows, _, err = content(ctx, l.conn, w, false); err != nil {
		return res, err
	}
	for _, table := range slices.Sorted(maps.Keys(res.Rows)) {
		if seeded, now := st.rows[table], res.Rows[table]; seeded != now {
			res.Differs = append(res.Differs, Difference{Table: table, Seeded: seeded, Now: now})
		}
	}
	if len(res.Differs) == 0 {
		_, res.Files, err = w.keepFiles(ctx, l.o.Store)
	}
	return res, err
}

// written returns the chunks that the database has, with their rows.
func (l *loader) written(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	rows, err := l.conn.Query(ctx, sqlWritten)
	if err != nil {
		return nil, databaseFault(err, "the chunks can't be read")
	}
	var chunk string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&chunk, &n}, func() error { out[chunk] = n; return nil })
	return out, databaseFault(err, "the chunks can't be read")
}

// chunk is rows that become visible together.
type chunk struct {
	name string
	make func() []*table
}

// chunks lists the dataset in the order in which it is written: who is referred to comes first. The first has people, because a
// database without them counts as empty.
func (w *world) chunks(blobs *table) []chunk {
	var out []chunk
	people := func(what string, rows func(from, to int64) []*table) {
		for from := int64(1); from <= int64(w.Users); from += sliceMax {
			to := min(from+sliceMax, int64(w.Users)+1)
			out = append(out, chunk{fmt.Sprintf("%s/%d", what, from), func() []*table { return rows(from, to) }})
		}
	}
	people("users", func(from, to int64) []*table {
		tables := []*table{w.users(from, to)}
		if from == 1 {
			tables = append(tables, blobs)
		}
		return append(tables, w.portraitRows(from, to)...)
	})
	out = append(out, chunk{"blocks", func() []*table { return []*table{w.blockRows()} }})
	for from := int64(1); from <= int64(w.Farms); from += w.farmsAtATime() {
		to := min(from+w.farmsAtATime(), int64(w.Farms)+1)
		out = append(out, chunk{fmt.Sprintf("farms/%d", from), func() []*table {
			return append([]*table{w.farmRows(from, to), w.memberRows(from, to), w.productRows(from, to)}, w.productPictures(from, to)...)
		}})
	}
	for _, s := range w.slices {
		out = append(out, chunk{fmt.Sprintf("timeline/%d", s.from), func() []*table { return w.content(s) }})
	}
	people("seen", func(from, to int64) []*table { return []*table{w.seenRows(from, to)} })
	people("carts", func(from, to int64) []*table { return []*table{w.cartRows(from, to)} })
	for from := int64(1); from <= int64(w.Orders); from += orderChunk {
		to := min(from+orderChunk, int64(w.Orders)+1)
		out = append(out, chunk{fmt.Sprintf("orders/%d", from), func() []*table { return w.orderRows(from, to) }})
	}
	return out
}

func (l *loader) write(ctx context.Context, w *world, blobs *table, done map[string]int64) (int64, error) {
	total, had, wrote := w.rows(), int64(0), int64(0)
	for _, n := range done {
		had += n
	}
	began := time.Now()
	for _, c := range w.chunks(blobs) {
		if _, ok := done[c.name]; ok {
			continue
		}
		n, err := l.writeChunk(ctx, c)
		if err != nil {
			return wrote, err
		}
		wrote += n
		p := Progress{Doing: "writing", Rows: had + wrote, Total: total}
		if wrote > 0 {
			p.Left = time.Duration(float64(time.Since(began)) * float64(total-p.Rows) / float64(wrote))
		}
		l.tell(p)
	}
	return wrote, nil
}

func (l *loader) writeChunk(ctx context.Context, c chunk) (int64, error) {
	var n int64
	err := pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		for _, t := range c.make() {
			k, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows))
			if err != nil {
				return databaseFault(err, "rows can't be written to "+t.name)
			}
			n += k
		}
		_, err := tx.Exec(ctx, sqlChunk, c.name, n)
		return databaseFault(err, "a chunk can't be recorded")
	})
	return n, err
}

func (l *loader) tell(p Progress) {
	if l.o.OnProgress != nil {
		p.Elapsed = time.Since(l.start)
		l.o.OnProgress(p)
	}
}

// content counts the rows of the dataset as the database has them, and hashes them where it is asked to.
func content(ctx context.Context, conn *pgx.Conn, w *world, hashed bool) (map[string]int64, string, error) {
	rows, err := conn.Query(ctx, sqlContent, w.anchor, w.Users, w.Posts, w.notices(), w.Farms, w.Farms*w.Products, w.Orders, w.lastMedia(), hashed)
	if err != nil {
		return nil, "", databaseFault(err, "the content can't be hashed")
	}
	counts := map[string]int64{}
	var lines []string
	var table, sum string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&table, &n, &sum}, func() error {
		counts[table] = n
		lines = append(lines, fmt.Sprintf("%s %d %s\n", table, n, sum))
		return nil
	})
	if err != nil {
		return nil, "", databaseFault(err, "the content can't be hashed")
	}
	sort.Strings(lines)
	h := sha256.New()
	for _, line := range lines {
		_, _ = h.Write([]byte(line))
	}
	return counts, hex.EncodeToString(h.Sum(nil)[:16]), nil
}
