package scratch

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func own(t *testing.T, url string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
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

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// What a killed process has left goes with the next database; what belongs to a live one stays.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	admin := WithDatabase(url, maintenance)
	owner, other := connect(t, admin), connect(t, admin)
	dead, live := Prefix+"dead_"+own(t, url), Prefix+"live_"+own(t, url)
	exec(t, owner, sqlOwn, live)
	exec(t, owner, "create database "+live+" template template0")
	exec(t, owner, "create database "+dead+" template template0")
	s, err := Make(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Drop(); err != nil {
			t.Error(err)
		}
	}()
	for name, want := range map[string]bool{dead: false, live: true, s.Name: true} {
		var there bool
		if err := other.QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", name).Scan(&there); err != nil || there != want {
			t.Errorf("%s: there %v, expected %v; %v", name, there, want, err)
		}
	}
	exec(t, owner, "drop database "+live+" with (force)")
}

// The owner's session can be ended: the database is dropped all the same.
func TestOwnerTerminated(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	s, err := Make(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, connect(t, url), "select pg_terminate_backend($1, 10000)", s.admin.PgConn().PID())
	_ = s.admin.Ping(t.Context())
	if err := s.Drop(); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), s.URL); !pg.Is(err, pg.UndefinedDatabase) {
		t.Errorf("the database is still there: %v", err)
	}
}

// Who may not make databases is told so.
func TestForbidden(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	role := "scratch_" + own(t, url)
	admin := connect(t, url)
	exec(t, admin, "create role "+role+" login")
	t.Cleanup(func() { _, _ = admin.Exec(context.Background(), "drop role "+role) })
	if _, err := Make(t.Context(), url+"&options=-crole%3D"+role, ""); !errors.Is(err, fault.Forbidden) {
		t.Errorf("without the right: %v", err)
	}
}

// A database that can't be copied, or a server that isn't there, is told as what it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if _, err := Make(t.Context(), url, "no_such_database"); !errors.Is(err, fault.NotFound) {
		t.Errorf("no template: %v", err)
	}
	connect(t, url)
	if _, err := Make(t.Context(), url, own(t, url)); !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "1 sessions use") {
		t.Errorf("a template in use: %v", err)
	}
	if _, err := Make(t.Context(), "postgres://127.0.0.1:1/x", ""); !errors.Is(err, fault.Unavailable) {
		t.Errorf("no server: %v", err)
	}
	if _, err := Make(t.Context(), "postgres://%zz", ""); !errors.Is(err, fault.Config) {
		t.Errorf("no URL: %v", err)
	}
	if got := WithDatabase("host=/tmp user=me", "x"); got != "host=/tmp user=me dbname=x" {
		t.Error(got)
	}
}
