package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

const backfilled = "-- platctl: phase backfill\n-- platctl: batch rows by %s size 3\n-- +goose Up\nupdate rows set n = n + 1, seen = ':from' where %s between :from and :to;\n"

// rowsTable has 10 rows, in an order of keys that is not the one in which they came.
func rowsTable(keyType, key string) string {
	return fmt.Sprintf("create table rows (k %s primary key, n int not null default 0, seen text); insert into rows (k) select %s from generate_series(10, 1, -1) i; analyze rows", keyType, key)
}

// A backfill goes over every row once, whatever its key is.
func TestBackfill(t *testing.T) {
	t.Parallel()
	for keyType, key := range map[string]string{
		"bigint": "i", "text": "'it''s ' || i", "uuid": "gen_random_uuid()", "timestamptz": "now() + i * interval '1 microsecond'", `varchar(20)`: "i",
	} {
		t.Run(keyType, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			conn := connect(t, url)
			run(t, conn, rowsTable(keyType, key))
			l := newLog()
			m := migrator(t, Options{OnEvent: l.add}, "1_a.sql", fmt.Sprintf(backfilled, "k", "k"))
			mustUp(t, m, url)
			if got := str(t, conn, "select count(*) || ' ' || min(n) || ' ' || max(n) || ' ' || max(seen) from rows"); got != "10 1 1 :from" {
				t.Errorf("rows %s", got)
			}
			if p := l.wait(t, EventProgress).Progress; p.Of != 10 {
				t.Errorf("progress %+v", p)
			}
			row := status(t, m, conn).Rows[0]
			if row.State != Applied || row.Progress == nil || row.Progress.Rows != 10 || row.Progress.String() != "10 of about 10 rows" {
				t.Errorf("%+v %v", row, row.Progress)
			}
		})
	}
}

// Interrupted, a backfill stops behind a batch, says how far it is, and goes on there; a batch that fails is taken back whole.
func TestBackfillStopsAndGoesOn(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, rowsTable("bigint", "i"))
	run(t, conn, "alter table rows add check (not (n > 0 and k = 5))")
	text := fmt.Sprintf(backfilled, "k", "k")
	m := migrator(t, Options{}, "1_a.sql", text)
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "3 of about 10 rows are done, and `platctl migrate up` goes on behind them: line 4, statement 1")
	if v, err := m.PreviewUp(t.Context(), conn, 0); err != nil || v.Files[0].Batch.Size != 3 || v.Files[0].Progress.Last != "3" || v.Files[0].State != Failed {
		t.Errorf("%+v, %v", v, err)
	}
	run(t, conn, "alter table rows drop constraint rows_check")
	_, err = migrator(t, Options{}, "1_a.sql", strings.ReplaceAll(text, "by k", "by n")).Up(t.Context(), url, 0)
	wantFault(t, err, fault.Invalid, "no index of rows begins with n")
	run(t, conn, "create index on rows (n)")
	_, err = migrator(t, Options{}, "1_a.sql", strings.ReplaceAll(text, "by k", "by n")).Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "stopped behind k 3 of rows, and now goes over rows by n")

	ctx, cancel := context.WithCancel(t.Context())
	l := newLog()
	m = migrator(t, Options{OnEvent: func(e Event) {
		if l.add(e); e.Kind == EventProgress {
			cancel()
		}
	}}, "1_a.sql", strings.Replace(text, "size 3", "size 3 pause 1h", 1))
	_, err = m.Up(ctx, url, 0)
	wantFault(t, err, fault.Canceled, "6 of about 10 rows are done")
	if got := str(t, conn, "select string_agg(n::text, '' order by k) from rows"); got != "1111110000" {
		t.Errorf("rows %s", got)
	}
	l = newLog()
	mustUp(t, migrator(t, Options{OnEvent: l.add}, "1_a.sql", text), url)
	if e := l.wait(t, EventResumed); e.Progress.Rows != 6 {
		t.Errorf("resumed %+v", e)
	}
	if got := str(t, conn, "select string_agg(n::text, '' order by k) from rows"); got != "1111111111" {
		t.Errorf("rows %s", got)
	}
}

// Killed at any message, a backfill has done each row once when it has gone on.
func TestBackfillKilled(t *testing.T) {
	t.Parallel()
	start := func() string {
		url := pgtest.Empty(t)
		run(t, connect(t, url), rowsTable("bigint", "i"))
		return url
	}
	messages := spawn(t, start(), "backfill", 0, false)
	for at := 1; at <= 2*messages; at += *killEvery {
		url := start()
		spawn(t, url, "backfill", (at+1)/2, at%2 == 0)
		m, err := killedMigrator("backfill")
		if err != nil {
			t.Fatal(err)
		}
		mustUp(t, m, url)
		conn := connect(t, url)
		if got := str(t, conn, "select string_agg(n::text, '' order by k) from rows"); got != "1111111111" {
			t.Errorf("killed at message %d, after it %v: rows %s", (at+1)/2, at%2 == 0, got)
		}
		if row := status(t, m, conn).Rows[0]; row.State != Applied || row.Progress.Rows != 10 {
			t.Errorf("killed at message %d: %+v", (at+1)/2, row)
		}
		_ = conn.Close(t.Context())
	}
}

func TestBadBackfills(t *testing.T) {
	t.Parallel()
	phase := "-- platctl: phase backfill\n"
	for text, says := range map[string]string{
		"-- platctl: batch rows\n" + up + "select :from, :to;\n":                            `batch "rows" is not TABLE by KEY [size 1000] [pause 50ms]`,
		phase + "-- platctl: batch rows by k size 0\n" + up + "select :from, :to;\n":        "size 0 is not a number",
		phase + "-- platctl: batch rows by k pause soon\n" + up + "select :from, :to;\n":    `pause "soon" is not a duration`,
		"-- platctl: batch rows by k\n" + up + "select :from, :to;\n":                       "batch is for a file of phase backfill",
		phase + "-- platctl: batch rows by k\n" + up + "select :from, :to;\nselect 1;\n":    "has one statement, not 2",
		phase + "-- platctl: batch rows by k\n" + up + "update rows set n = x::from;\n":     "the statement doesn't say :from and :to",
		phase + "-- platctl: batch rows by k\n" + up + "update rows set n = ':from :to'\n;": "the statement doesn't say :from and :to",
	} {
		if _, err := New(mapFS("1_a.sql", text), Options{}); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	url := pgtest.Empty(t)
	_, err := migrator(t, Options{}, "1_a.sql", fmt.Sprintf(backfilled, "k", "k")).Up(t.Context(), url, 0)
	wantFault(t, err, fault.Invalid, "there is no column k of rows; nothing was done")
}
