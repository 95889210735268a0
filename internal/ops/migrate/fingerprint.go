package migrate

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/catalog"
)

//go:embed sql/record_run.sql
var sqlRecordRun string

//go:embed sql/last_run.sql
var sqlLastRun string

//go:embed sql/stale_runs.sql
var sqlStaleRuns string

// changing runs fn between two looks at the catalogue. What is there after a failure is kept too: it is what platctl left. With
// nothing to do it keeps the fingerprint that a run before was cut off from keeping.
func (r *runner) changing(ctx context.Context, todo int, from, to *int64, fn func() error) error {
	if todo == 0 {
		return r.catchUp(ctx, *to)
	}
	before, err := catalog.Read(ctx, r.conn)
	if err != nil {
		return databaseFault(err, "the catalogue can't be read before the run; nothing was done")
	}
	err = fn()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if kerr := r.keepRun(ctx, before, *from, *to); kerr != nil && err == nil {
		return databaseFault(kerr, "the migrations ran; the fingerprint of what they left can't be kept")
	}
	return err
}

func (r *runner) catchUp(ctx context.Context, version int64) error {
	var stale bool
	err := r.conn.QueryRow(ctx, sqlStaleRuns).Scan(&stale)
	if err != nil || !stale {
		return databaseFault(err, "the log of runs can't be read")
	}
	now, err := catalog.Read(ctx, r.conn)
	if err == nil {
		err = r.keep(ctx, now.Fingerprint, now, version, version)
	}
	return databaseFault(err, "the fingerprint of an earlier run can't be kept")
}

// keepRun writes what the schema was before and after a run that changed it.
func (r *runner) keepRun(ctx context.Context, before *catalog.Snapshot, from, to int64) error {
	if err := r.exec(ctx, resets); err != nil {
		return err
	}
	after, err := catalog.Read(ctx, r.conn)
	if err != nil {
		return err
	}
	return r.keep(ctx, before.Fingerprint, after, from, to)
}

func (r *runner) keep(ctx context.Context, before string, after *catalog.Snapshot, from, to int64) error {
	facts, err := pack(after.Facts)
	if err != nil {
		return err
	}
	_, err = r.conn.Exec(ctx, sqlRecordRun, pgx.NamedArgs{
		"from_version": from, "to_version": to, "before": before, "after": after.Fingerprint, "column_order": after.Order,
		"facts": facts, "release": r.m.opts.Release, "tool_version": r.m.opts.ToolVersion,
	})
	return err
}

func pack(facts []catalog.Fact) ([]byte, error) {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a known level
	err := errors.Join(json.NewEncoder(z).Encode(facts), z.Close())
	return b.Bytes(), err
}

func unpack(data []byte) ([]catalog.Fact, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var facts []catalog.Fact
	return facts, json.NewDecoder(z).Decode(&facts)
}

// Verification says whether a database is what its ledger says, and its ledger what the files say.
type Verification struct {
	*Status
	Run   *LastRun      `json:"last_run,omitempty"` // nil: none is known
	Drift *catalog.Diff `json:"drift,omitempty"`    // what the schema is against what the last run left
}

// LastRun is the newest run that changed the schema.
type LastRun struct {
	At          time.Time `json:"at"`
	To          int64     `json:"to"`
	Release     string    `json:"release,omitempty"`
	Fingerprint string    `json:"fingerprint"`
}

// Verify compares the texts of the files with the ledger, and the live schema with what the last run left. It only reads.
func (m *Migrator) Verify(ctx context.Context, conn *pgx.Conn) (*Verification, error) {
	st, err := m.Status(ctx, conn)
	if err != nil {
		return nil, err
	}
	v := &Verification{Status: st}
	before, err := v.lastRun(ctx, conn)
	if err != nil || v.Run == nil {
		return v, fault.Op("verify migrations", err)
	}
	now, err := catalog.Read(ctx, conn)
	if err != nil {
		return v, fault.Op("verify migrations", err)
	}
	d := catalog.Compare(before, now)
	v.Drift = &d
	return v, nil
}

// lastRun fills Run, and returns what the schema was then.
func (v *Verification) lastRun(ctx context.Context, conn *pgx.Conn) (*catalog.Snapshot, error) {
	var id int64
	var order string
	var packed []byte
	var stale bool
	run := &LastRun{}
	err := conn.QueryRow(ctx, sqlLastRun).Scan(&id, &run.At, &run.To, &run.Fingerprint, &order, &packed, &run.Release, &stale)
	switch {
	case errors.Is(err, pgx.ErrNoRows), pg.Is(err, pg.UndefinedTable):
		v.Warnings = append(v.Warnings, "no run of this platctl has left a fingerprint yet, so the live schema can't be compared")
		return nil, nil
	case err != nil:
		return nil, databaseFault(err, "the log of runs can't be read")
	case stale:
		v.Warnings = append(v.Warnings, "the last run was cut off before it left a fingerprint, so the live schema can't be compared; platctl migrate up keeps one")
		return nil, nil
	}
	facts, err := unpack(packed)
	s := catalog.New(facts)
	if err != nil || s.Fingerprint != run.Fingerprint || s.Order != order {
		return nil, fault.New(fault.Conflict, "the fingerprint of run %d in platctl.migration_runs does not belong to its facts", id).
			WithHint("somebody has changed the row; the next `platctl migrate up` that applies something writes a new one")
	}
	v.Run = run
	return s, nil
}

// Verdict is nil where files, ledger and schema agree. What is pending doesn't matter.
func (v *Verification) Verdict() error {
	switch {
	case v.Failed > 0 || v.changed() > 0:
		return v.Status.Verdict()
	case v.Drift != nil && v.Drift.Class != catalog.Identical:
		return fault.New(fault.No, "the schema is not what the last run left: %d facts lost, %d gained", len(v.Drift.Lost), len(v.Drift.Gained)).
			WithHint("somebody changed it by hand; write that as a migration, or take it back")
	}
	return nil
}
