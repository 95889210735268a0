package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

const (
	up   = "-- +goose Up\n"
	noTx = "-- +goose NO TRANSACTION\n-- +goose Up\n"
)

// log collects events.
type log struct {
	mu     sync.Mutex
	events []Event
	heard  chan Event
}

func newLog() *log { return &log{heard: make(chan Event, 1000)} }

func (l *log) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	l.heard <- e
}

func (l *log) kinds() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, e := range l.events {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

// wait returns the next event of the kind.
func (l *log) wait(t *testing.T, kind EventKind) Event {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case e := <-l.heard:
			if e.Kind == kind {
				return e
			}
		case <-deadline:
			t.Fatalf("no event %q among: %s", kind, l.kinds())
		}
	}
}

func migrator(t *testing.T, o Options, files ...string) *Migrator {
	t.Helper()
	m, err := New(mapFS(files...), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mapFS makes a folder of names and texts.
func mapFS(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return fsys
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func str(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var s string
	if err := conn.QueryRow(t.Context(), sql).Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

func status(t *testing.T, m *Migrator, conn *pgx.Conn) *Status {
	t.Helper()
	st, err := m.Status(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func mustUp(t *testing.T, m *Migrator, url string) *Result {
	t.Helper()
	res, err := m.Up(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// wantFault checks kind, a part of the message and that there is a next step.
func wantFault(t *testing.T, err error, kind fault.Kind, says string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) || fault.From(err).Hint == "" && kind != fault.Canceled {
		t.Errorf("got %v (%s, hint %q), want %s saying %q", err, fault.KindOf(err), fault.From(err).Hint, kind, says)
	}
}

func TestUp(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	l := newLog()
	files := []string{
		"1_a.sql", "-- platctl: phase expand\n" + up + "create table a (id int);\nset search_path = nowhere;\ninsert into public.a values (1);\n-- +goose Down\ndrop table a;\n",
		"2_b.sql", noTx + "create index concurrently a_id on a (id);\nset role pg_monitor;\n",
		"4_c.sql", up + "create function f() returns int language plpgsql as $$ begin return 1; end $$;\nset local role pg_monitor;\nselect 1;\n",
	}
	m := migrator(t, Options{Release: "1.2.3", ToolVersion: "9.9", OnEvent: l.add}, files...)
	before := status(t, m, conn)
	if before.Current != 0 || before.Pending != 3 || !errors.Is(before.Verdict(), fault.No) || len(before.Warnings) != 1 {
		t.Errorf("before: %+v", before)
	}
	if res, err := m.Up(t.Context(), url, 2); err != nil || res.From != 0 || res.To != 2 || len(res.Applied) != 2 {
		t.Fatalf("up to 2: %+v %v", res, err)
	}
	if st := status(t, m, conn); st.Current != 2 || st.Pending != 1 {
		t.Errorf("after up to 2: %+v", st)
	}
	if res := mustUp(t, m, url); res.From != 2 || res.To != 4 {
		t.Errorf("up: %+v", res)
	}
	st := status(t, m, conn)
	if err := st.Verdict(); err != nil {
		t.Errorf("verdict %v of %+v", err, st)
	}
	row := st.Rows[0]
	if row.Phase != "expand" || row.Release != "1.2.3" || row.Statements != 3 || row.Done != 3 || row.StartedAt.IsZero() || row.User == "" {
		t.Errorf("row %+v", row)
	}
	want := "warning started statement statement statement applied started statement statement applied warning started statement statement statement applied"
	if got := l.kinds(); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	if res := mustUp(t, m, url); len(res.Applied) != 0 {
		t.Errorf("a second up applied %+v", res)
	}
	_, err := m.Up(t.Context(), url, 3)
	wantFault(t, err, fault.Usage, "no migration 3")

	files[1] = strings.Replace(files[1], "drop table a", "drop table a cascade", 1)
	changed := migrator(t, Options{}, files...)
	wantFault(t, status(t, changed, conn).Verdict(), fault.No, "were changed")
	_, err = changed.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "1_a was changed after it was applied: down")
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	bad := []string{"1_ok.sql", up + "create table ok ();\n", "2_bad.sql", up + "create table x ();\n\nselect 1,\n  nonsense;\n", "3_after.sql", up + "create table y ();\n"}
	m := migrator(t, Options{}, bad...)
	res, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "2_bad.sql: nothing of this file was applied: line 5, statement 2")
	if res.To != 1 || len(res.Applied) != 1 {
		t.Errorf("result %+v", res)
	}
	st := status(t, m, conn)
	if st.Failed != 1 || st.Pending != 1 || st.Rows[1].State != Failed || !strings.Contains(st.Rows[1].Error, "nonsense") {
		t.Errorf("status %+v", st)
	}
	if got := str(t, conn, "select coalesce(to_regclass('x')::text, 'absent')"); got != "absent" {
		t.Errorf("table x is %s", got)
	}
	bad[3] = up + "create table x ();\n"
	if res := mustUp(t, migrator(t, Options{}, bad...), url); res.To != 3 {
		t.Errorf("after the correction: %+v", res)
	}
}

func TestStepwiseResumes(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	file := func(third string) string {
		return noTx + "create table a (id int);\ncreate index concurrently a_id on a (id);\n" + third + "insert into a values (7);\n"
	}
	m := migrator(t, Options{}, "1_a.sql", file("select nonsense;\n"))
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "2 of its 4 statements are applied")
	if row := status(t, m, conn).Rows[0]; row.State != Failed || row.Done != 2 || row.Statements != 4 {
		t.Errorf("row %+v", row)
	}
	_, err = migrator(t, Options{}, "1_a.sql", strings.Replace(file("select 1;\n"), "id int", "id bigint", 1)).Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "statement 1 was changed")
	_, err = migrator(t, Options{}, "1_a.sql", up+"create table a (id int);\n").Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "now wants one")
	l := newLog()
	mustUp(t, migrator(t, Options{OnEvent: l.add}, "1_a.sql", file("select 1;\n")), url)
	if got := l.kinds(); got != "resumed statement statement applied" {
		t.Errorf("events %s", got)
	}
	if got := str(t, conn, "select string_agg(id::text, ',') from a"); got != "7" {
		t.Errorf("rows %s", got)
	}
}

// An index that stays invalid is of no use and costs every write: IF NOT EXISTS must not take it for one, and what a statement of
// ours has left behind is dropped, so that the file can be run again.
func TestInvalidIndex(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "create table a (id int); ")
	run(t, conn, "insert into a values (1), (1)")
	if _, err := conn.Exec(t.Context(), "create unique index concurrently \"A\" on a (id)"); err == nil {
		t.Fatal("two equal rows in a unique index")
	}
	m := migrator(t, Options{}, "1_a.sql", noTx+"create unique index concurrently if not exists \"A\" on a (id);\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, `index public."A" is of no use: line 3, statement 1: an invalid index has the name`)
	if hint := fault.From(err).Hint; !strings.Contains(hint, `drop index concurrently public."A"`) {
		t.Errorf("hint %q", hint)
	}
	run(t, conn, `drop index "A"`)
	m = migrator(t, Options{}, "1_a.sql", noTx+"create unique index concurrently a_id on a (id);\n")
	for range 2 { // the second time nothing is in its way but the rows
		_, err = m.Up(t.Context(), url, 0)
		wantFault(t, err, fault.Failed, "could not create unique index")
		if n := str(t, conn, "select count(*)::text from pg_index where not indisvalid"); n != "0" {
			t.Errorf("%s invalid indexes are left", n)
		}
	}
	run(t, conn, "delete from a")
	mustUp(t, m, url)
}

// An invalid index that is nobody's business here is told of.
func TestInvalidIndexIsReported(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "create table a (id int); ")
	run(t, conn, "insert into a values (1), (1)")
	if _, err := conn.Exec(t.Context(), "create unique index concurrently a_id on a (id)"); err == nil {
		t.Fatal("two equal rows in a unique index")
	}
	res := mustUp(t, migrator(t, Options{}, "1_a.sql", noTx+"select 1;\n"), url)
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "public.a_id is invalid") {
		t.Errorf("warnings %q", res.Warnings)
	}
}

// What a file has set for its session holds behind the place where it stopped, too.
func TestStepwiseKeepsItsSettings(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "create schema apart")
	file := noTx + "set search_path = apart;\nselect 1;\n"
	if _, err := migrator(t, Options{}, "1_a.sql", file+"select nonsense;\n").Up(t.Context(), url, 0); err == nil {
		t.Fatal("nonsense was applied")
	}
	mustUp(t, migrator(t, Options{}, "1_a.sql", file+"create table a ();\n"), url)
	if got := str(t, conn, "select coalesce(to_regclass('apart.a')::text, 'absent')"); got != "apart.a" {
		t.Errorf("the table is %s", got)
	}
}

// What a file sets for the session ends with it, also for what a transaction takes when it begins, and for the note of a failure.
func TestSettingsEndWithTheirFile(t *testing.T) {
	t.Parallel()
	for what, next := range map[string]string{"sent at once": "create table a ();\n", "one by one": "-- +goose StatementBegin\ncreate table a (); select 1;\n-- +goose StatementEnd\n"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			conn := connect(t, url)
			const settings = up + "set default_transaction_read_only = on;\nset default_transaction_isolation = 'serializable';\nset search_path = nowhere;\n"
			mustUp(t, migrator(t, Options{}, "1_a.sql", settings, "2_b.sql", up+next+"create table level as select current_setting('transaction_isolation') as name;\n"), url)
			if got := str(t, conn, "select name from public.level"); got != "read committed" {
				t.Errorf("the transaction is %s", got)
			}
			m := migrator(t, Options{}, "1_a.sql", settings, "2_b.sql", up+next+"create table level as select current_setting('transaction_isolation') as name;\n",
				"3_c.sql", settings, "4_d.sql", up+"select nonsense;\n")
			if _, err := m.Up(t.Context(), url, 0); err == nil {
				t.Error("nonsense was applied")
			}
			if row := status(t, m, conn).Rows[3]; row.State != Failed {
				t.Errorf("row %+v", row)
			}
		})
	}
}

func TestStepwiseOwnTransaction(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", noTx+"create table a ();\nbegin;\ncreate table b ();\nselect nonsense;\ncommit;\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "1 of its 5 statements")
	if row := status(t, m, conn).Rows[0]; row.State != Failed || row.Done != 1 {
		t.Errorf("row %+v", row)
	}
	open := migrator(t, Options{}, "1_a.sql", noTx+"create table a ();\nbegin;\ncreate table b ();\n")
	_, err = open.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "leaves a transaction open")
	if row := status(t, open, conn).Rows[0]; row.State != Failed || row.Done != 1 {
		t.Errorf("row %+v", row)
	}
}

// blocker holds a lock that 1_a.sql needs, until released.
func blocker(t *testing.T, url string) (release func()) {
	t.Helper()
	conn := connect(t, url)
	run(t, conn, "create table if not exists busy (id int)")
	run(t, conn, "begin; lock table busy")
	return func() { run(t, conn, "commit") }
}

func TestLockTimeoutIsRetried(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{"transaction": up, "stepwise": noTx} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			release := blocker(t, url)
			l := newLog()
			m := migrator(t, Options{OnEvent: l.add, LockTimeout: 20 * time.Millisecond, Attempts: 100}, "1_a.sql", head+"alter table busy add x int;\n")
			done := make(chan error, 1)
			go func() { _, err := m.Up(t.Context(), url, 0); done <- err }()
			if e := l.wait(t, EventRetry); e.Attempt != 1 || !strings.Contains(e.Message, "55P03") {
				t.Errorf("event %+v", e)
			}
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLockTimeoutGivesUp(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	release := blocker(t, url)
	m := migrator(t, Options{Attempts: 2}, "1_a.sql", "-- platctl: lock_timeout 10ms\n"+up+"alter table busy add x int;\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Busy, "didn't get its lock in 2 attempts: nothing of this file was applied")
	release()
	mustUp(t, m, url)
}

// slow is a migration that runs until the test lets it go: it waits for an advisory lock.
const slow = "select pg_advisory_lock(42);\nselect pg_advisory_unlock(42);\n"

func TestSecondRunnerWaitsAndNamesTheFirst(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "select pg_advisory_lock(42)")
	first := newLog()
	files := []string{"1_a.sql", noTx + slow, "2_b.sql", up + "create table b ();\n"}
	m := migrator(t, Options{OnEvent: first.add, LockTimeout: time.Minute}, files...)
	done := make(chan error, 1)
	go func() { _, err := m.Up(t.Context(), url, 0); done <- err }()
	first.wait(t, EventStarted)

	second := newLog()
	impatient := migrator(t, Options{OnEvent: second.add, RunnerWait: time.Millisecond}, files...)
	_, err := impatient.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Busy, "platctl migrate")
	if e := second.wait(t, EventWaiting); e.Holder == nil || e.Holder.PID == 0 || e.Holder.Since.IsZero() || e.Holder.App != "platctl migrate" {
		t.Errorf("holder %+v", e.Holder)
	}
	eventuallyRunning(t, m, conn)

	patient := migrator(t, Options{OnEvent: second.add}, files...)
	both := make(chan error, 1)
	go func() { _, err := patient.Up(t.Context(), url, 0); both <- err }()
	second.wait(t, EventWaiting)
	run(t, conn, "select pg_advisory_unlock(42)")
	if err := errors.Join(<-done, <-both); err != nil {
		t.Error(err)
	}
	if st := status(t, m, conn); st.Verdict() != nil {
		t.Errorf("status %+v", st)
	}
}

// eventuallyRunning waits until status, which answers meanwhile, shows the first migration running.
func eventuallyRunning(t *testing.T, m *Migrator, conn *pgx.Conn) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if st := status(t, m, conn); st.Rows[0].State == Running {
			wantFault(t, st.Verdict(), fault.No, "a migration runs: 0 of 2 are applied")
			return
		}
	}
	t.Fatal("status never shows the migration running")
}

func TestManyRunnersApplyOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	var files []string
	for i := 1; i <= 5; i++ {
		files = append(files, fmt.Sprintf("%d_t.sql", i), fmt.Sprintf("%screate table t%d ();\n", up, i))
	}
	m := migrator(t, Options{}, files...)
	applied := make([]int, 4)
	var wg sync.WaitGroup
	for i := range applied {
		wg.Go(func() {
			res, err := m.Up(t.Context(), url, 0)
			if err != nil {
				t.Error(err)
			}
			applied[i] = len(res.Applied)
		})
	}
	wg.Wait()
	slices.Sort(applied)
	if !slices.Equal(applied, []int{0, 0, 0, 5}) {
		t.Errorf("runners applied %v", applied)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ head, says string }{
		"transaction": {up, "nothing of this file was applied"},
		"stepwise":    {noTx, "1 of its 3 statements are applied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			conn := connect(t, url)
			run(t, conn, "select pg_advisory_lock(42)")
			l := newLog()
			m := migrator(t, Options{OnEvent: l.add, LockTimeout: time.Minute}, "1_a.sql", tc.head+"create table a ();\n"+slow)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { _, err := m.Up(ctx, url, 0); done <- err }()
			l.wait(t, EventStatement)
			cancel()
			wantFault(t, <-done, fault.Canceled, tc.says)
			if n := str(t, conn, "select count(*)::text from pg_stat_activity where application_name = 'platctl migrate' and datname = current_database() and state = 'active'"); n != "0" {
				t.Errorf("%s statements still run on the server", n)
			}
			if row := status(t, m, conn).Rows[0]; row.State != Failed {
				t.Errorf("row %+v", row)
			}
			run(t, conn, "select pg_advisory_unlock(42)")
			mustUp(t, m, url)
		})
	}
}

func TestConnectionLost(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "select pg_advisory_lock(42)")
	l := newLog()
	m := migrator(t, Options{OnEvent: l.add, LockTimeout: time.Minute}, "1_a.sql", noTx+"create table a ();\n"+slow)
	done := make(chan error, 1)
	go func() { _, err := m.Up(t.Context(), url, 0); done <- err }()
	l.wait(t, EventStatement)
	// The count of the first statement is written before the second begins to wait.
	for str(t, conn, "select count(*)::text from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())") != "1" {
		time.Sleep(time.Millisecond)
	}
	run(t, conn, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'platctl migrate' and datname = current_database()")
	wantFault(t, <-done, fault.Unavailable, "the connection broke")
	if row := status(t, m, conn).Rows[0]; row.State != Running || row.Done != 1 {
		t.Errorf("a crash leaves %+v, want running with 1 statement done", row)
	}
	run(t, conn, "select pg_advisory_unlock(42)")
	res := mustUp(t, m, url)
	if res.To != 1 {
		t.Errorf("resumed: %+v", res)
	}
}

func TestOrderAndAhead(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	mustUp(t, migrator(t, Options{}, "1_a.sql", up, "3_c.sql", up), url)
	late := migrator(t, Options{}, "1_a.sql", up, "2_b.sql", up, "3_c.sql", up)
	if st := status(t, late, conn); !st.Rows[1].OutOfOrder || st.Pending != 1 {
		t.Errorf("status %+v", st)
	}
	_, err := late.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "2_b is older than 3")
	mustUp(t, migrator(t, Options{OutOfOrder: true}, "1_a.sql", up, "2_b.sql", up, "3_c.sql", up), url)

	old := migrator(t, Options{}, "1_a.sql", up, "2_b.sql", up)
	st := status(t, old, conn)
	if st.Verdict() != nil || len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0], "ahead") || st.Current != 3 || st.Latest != 2 {
		t.Errorf("ahead is a warning: %v %+v", st.Verdict(), st)
	}
	if res := mustUp(t, old, url); len(res.Applied) != 0 || len(res.Warnings) != 1 {
		t.Errorf("up of an older release: %+v", res)
	}
}

func TestEndingTheTransactionIsCaught(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	m := migrator(t, Options{}, "1_a.sql", up+"-- +goose StatementBegin\nselect 1; commit\n-- +goose StatementEnd\nselect 2;\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "it ended the transaction")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fs   fstest.MapFS
		kind fault.Kind
		says string
	}{
		"nothing":   {fstest.MapFS{"embed.go": {}}, fault.Config, "no migrations"},
		"twice":     {fstest.MapFS{"1_a.sql": {Data: []byte(up)}, "01_b.sql": {Data: []byte(up)}}, fault.Invalid, "same version"},
		"go":        {fstest.MapFS{"1_a.go": {}}, fault.Unsupported, "1_a.go"},
		"no number": {fstest.MapFS{"init.sql": {Data: []byte(up)}}, fault.Invalid, "NUMBER_name"},
	} {
		if _, err := New(tc.fs, Options{}); !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %s saying %q", name, err, tc.kind, tc.says)
		}
	}
	if _, err := New(os.DirFS("/nonexistent"), Options{}); !errors.Is(err, fault.Config) {
		t.Errorf("missing folder: %v", err)
	}
	_, err := migrator(t, Options{}, "1_a.sql", up).Up(t.Context(), "postgres:///x?host=/nonexistent", 0)
	if !errors.Is(err, fault.Unavailable) || strings.Contains(err.Error(), syscall.ENOENT.Error()) == false {
		t.Errorf("no server: %v", err)
	}
}
