package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// template makes a table whose row tells which build made it.
func template(key string, builds *atomic.Int32) pgtest.Template {
	return pgtest.Template{Name: "pgtest_self", Key: key, Build: func(ctx context.Context, url string) error {
		builds.Add(1)
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, fmt.Sprintf("create table made_by as select '%s'::text as key", key))
		return err
	}}
}

func one(t testing.TB, url, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var out string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func uniqueKey(t *testing.T) string { return t.Name() + time.Now().Format(time.RFC3339Nano) }

func TestTemplateIsBuiltOnceAndClonesAreApart(t *testing.T) {
	var builds atomic.Int32
	tmpl := template(uniqueKey(t), &builds)
	urls := make([]string, 6)
	var wg sync.WaitGroup
	for i := range urls {
		wg.Go(func() { urls[i] = pgtest.New(t, tmpl) })
	}
	wg.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times, want once", n)
	}
	seen := map[string]bool{}
	for _, url := range urls {
		if got := one(t, url, "update made_by set key = key || 'x' returning key"); got != tmpl.Key+"x" {
			t.Errorf("clone holds %q", got)
		}
		seen[url] = true
	}
	if len(seen) != len(urls) {
		t.Errorf("%d databases for %d tests", len(seen), len(urls))
	}
}

func TestDatabaseIsDroppedThoughSessionsAreOpen(t *testing.T) {
	other := pgtest.Empty(t)
	var name string
	t.Run("user", func(t *testing.T) {
		url := pgtest.Empty(t)
		name = one(t, url, "select current_database()::text")
		if _, err := pgx.Connect(context.Background(), url); err != nil { // stays open on purpose
			t.Fatal(err)
		}
	})
	if got := one(t, other, "select count(*)::text from pg_database where datname = $1", name); got != "0" {
		t.Errorf("database %s is still there", name)
	}
}

func TestOldKeysArePushedOutAndComeBack(t *testing.T) {
	var builds atomic.Int32
	first := template(uniqueKey(t), &builds)
	pgtest.New(t, first)
	for range 3 {
		pgtest.New(t, template(uniqueKey(t), &builds))
	}
	url := pgtest.Empty(t)
	if n := one(t, url, "select count(*)::text from pg_database where datname ~ '^tmpl_pgtest_self_'"); n != "3" {
		t.Errorf("%s templates of one name are kept, want 3", n)
	}
	before := builds.Load()
	if got := one(t, pgtest.New(t, first), "select key from made_by"); got != first.Key {
		t.Errorf("clone holds %q", got)
	}
	if builds.Load() != before+1 {
		t.Errorf("%d builds, want %d: the oldest key was pushed out", builds.Load(), before+1)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	url := pgtest.Empty(t)
	broken := errors.New("broken")
	tmpl := pgtest.Template{Name: "pgtest_broken", Key: uniqueKey(t), Build: func(context.Context, string) error { return broken }}
	rec := &recorder{TB: t}
	rec.run(func() { pgtest.New(rec, tmpl) })
	if !strings.Contains(rec.fatal, "broken") {
		t.Errorf("fatal %q", rec.fatal)
	}
	if n := one(t, url, "select count(*)::text from pg_database where datname ~ '^tmpl_pgtest_broken_'"); n != "0" {
		t.Errorf("%s templates left", n)
	}
}

// recorder is a testing.TB whose Fatalf is kept instead of failing the test.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	panic(r)
}

func (r *recorder) run(fn func()) {
	defer func() {
		if v := recover(); v != nil && v != any(r) {
			panic(v)
		}
	}()
	fn()
}

// TestProcess is the body of the processes of the next test.
func TestProcess(t *testing.T) {
	if os.Getenv("PLATCTL_TEST_PGTEST") == "" {
		t.Skip("runs only inside TestManyProcesses")
	}
	var builds atomic.Int32
	url := pgtest.New(t, template(os.Getenv("PLATCTL_TEST_PGTEST"), &builds))
	fmt.Printf("db %s builds %d\n", one(t, url, "select current_database()::text"), builds.Load())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestManyProcesses(t *testing.T) {
	key := uniqueKey(t)
	total := 0
	var killed string
	for i := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
		cmd.Env = append(os.Environ(), "PLATCTL_TEST_PGTEST="+key)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var name string
		var builds int
		if _, err := fmt.Fscanf(bufio.NewReader(out), "db %s builds %d\n", &name, &builds); err != nil {
			t.Fatal(err)
		}
		total += builds
		if i == 0 {
			killed = name
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			continue
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	if total != 1 {
		t.Errorf("three processes built the template %d times", total)
	}
	// We still use the server, so it has to be up, and what the killed process left is not ours to drop yet.
	if got := one(t, pgtest.Empty(t), "select count(*)::text from pg_database where datname = $1", killed); got != "1" {
		t.Errorf("%s databases called %s", got, killed)
	}
}

func BenchmarkClone(b *testing.B) {
	tmpl := pgtest.Template{Name: "pgtest_bench", Key: "1", Build: func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, `do $$ begin for i in 1..50 loop
			execute format('create table t%s (id bigint primary key, a text, b int references t%s)', i, greatest(i - 1, 1)); end loop; end $$`)
		return err
	}}
	pgtest.New(b, tmpl)
	for b.Loop() {
		pgtest.New(b, tmpl)
	}
}
