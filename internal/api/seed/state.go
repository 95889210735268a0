package seed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

//go:embed sql/bookkeeping.sql
var sqlBookkeeping string

//go:embed sql/has_schema.sql
var sqlHasSchema string

//go:embed sql/has_data.sql
var sqlHasData string

//go:embed sql/marker.sql
var sqlMarker string

//go:embed sql/begin.sql
var sqlBegin string

//go:embed sql/erase.sql
var sqlErase string

//go:embed sql/sequence.sql
var sqlSequence string

// State is what a database holds.
type State struct {
	Empty    bool
	Foreign  bool // data that no seeding has written
	Complete bool
	Scale    string
	Seed     int64
	Hash     string

	generator int
	anchor    time.Time
	password  string
	rows      map[string]int64 // of a complete one: what each table had
}

// Name names the dataset, whoever wrote it.
func (s State) Name() string { return name(s.Scale, s.Seed, s.generator) }

func name(scale string, seed int64, generator int) string {
	return fmt.Sprintf("%s-%d-v%d", scale, seed, generator)
}

// Inspect says what the database holds. It changes nothing.
func Inspect(ctx context.Context, conn *pgx.Conn) (State, error) {
	var schema, marker bool
	if err := conn.QueryRow(ctx, sqlHasSchema).Scan(&schema, &marker); err != nil {
		return State{}, databaseFault(err, "the schema can't be read")
	}
	if !schema {
		return State{}, fault.New(fault.Unavailable, "the database has not the tables of this platctl").WithHint("platctl migrate up")
	}
	var people, farms bool
	if err := conn.QueryRow(ctx, sqlHasData).Scan(&people, &farms); err != nil {
		return State{}, databaseFault(err, "the tables can't be read")
	}
	st := State{Empty: !people && !farms}
	if !marker {
		st.Foreign = !st.Empty
		return st, nil
	}
	err := conn.QueryRow(ctx, sqlMarker).Scan(&st.generator, &st.Scale, &st.Seed, &st.anchor, &st.password, &st.Complete, &st.Hash, &st.rows)
	if errors.Is(err, pgx.ErrNoRows) {
		st.Foreign = !st.Empty
		return st, nil
	}
	return st, databaseFault(err, "the record of the seeding can't be read")
}

// Holds says in words what the database holds.
func (s State) Holds() string {
	switch {
	case s.Empty:
		return "nothing"
	case s.Foreign:
		return "data that no seeding has written"
	}
	return "the dataset " + s.Name()
}

// Refuses returns why Run would not touch a database, nil when it would write to it or go on.
func (o Options) Refuses(st State) error {
	if st.Empty || o.Erase || !st.Foreign && st.Name() == o.Name() {
		return nil
	}
	return fault.New(fault.Refused, "the database holds %s; nothing was done", st.Holds()).
		WithHint("use an empty database, or --erase-existing-data to lose what is there")
}

// begin decides whether to go on, to begin or to refuse, and makes the world to write.
func (l *loader) begin(ctx context.Context, st State) (*world, error) {
	same := !st.Empty && !st.Foreign && st.Name() == l.name()
	if same && !l.o.Erase {
		return newWorld(l.o.Scale, uint64(st.Seed), st.anchor, st.password), nil
	}
	if err := l.o.Refuses(st); err != nil {
		return nil, err
	}
	hash, err := l.o.Hasher.Hash(ctx, Password)
	if err != nil {
		return nil, err
	}
	w := newWorld(l.o.Scale, uint64(l.o.Seed), l.o.Now, hash)
	return w, pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error { return l.prepare(ctx, tx, w) })
}

// prepare records what is going to be written, and moves the sequences behind it, so that people who sign up meanwhile
// don't get an id of the dataset.
func (l *loader) prepare(ctx context.Context, tx pgx.Tx, w *world) error {
	if _, err := tx.Exec(ctx, sqlBookkeeping); err != nil {
		return databaseFault(err, "the record of the seeding can't be made")
	}
	if l.o.Erase {
		if _, err := tx.Exec(ctx, sqlErase); err != nil {
			return databaseFault(err, "the tables can't be emptied")
		}
	}
	if _, err := tx.Exec(ctx, sqlBegin, Generator, w.Scale.Name, l.o.Seed, w.anchor, w.hash); err != nil {
		return databaseFault(err, "the record of the seeding can't be written")
	}
	for table, last := range w.lastIDs() {
		if _, err := tx.Exec(ctx, sqlSequence, table, last); err != nil {
			return databaseFault(err, "the sequence of "+table+" can't be moved")
		}
	}
	return nil
}

func (w *world) lastIDs() map[string]int64 {
	last := w.slices[len(w.slices)-1]
	return map[string]int64{
		"users": int64(w.Users), "posts": int64(w.Posts), "comments": last.comment + last.comments - 1,
		"notifications": w.notices(), "farms": int64(w.Farms), "products": int64(w.Farms * w.Products),
		"orders": int64(w.Orders), "order_events": w.lastEvent(),
		"media": w.lastMedia(), "media_blobs": int64(len(w.album.motifs)),
	}
}

func databaseFault(err error, what string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(err, fault.Failed, "%s", what)
}
