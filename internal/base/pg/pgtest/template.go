package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Template is a database that is built once and cloned for each test.
type Template struct {
	Name  string // what it is, for example "api"; letters, digits and underscores
	Key   string // changes when what Build makes changes: a hash of the migrations, say
	Build func(ctx context.Context, url string) error
}

const (
	clonePrefix    = "t_"
	buildPrefix    = "build_"
	templatePrefix = "tmpl_"
	keptKeys       = 3 // templates of one name that are kept, so that work trees with different keys can take turns
)

// New returns the URL of a database of this test's own, cloned from the template. It is dropped at the end of the test.
func New(t testing.TB, tmpl Template) string {
	t.Helper()
	return newDatabase(t, &tmpl)
}

// Empty is New with an empty database.
func Empty(t testing.TB) string {
	t.Helper()
	return newDatabase(t, nil)
}

func newDatabase(t testing.TB, tmpl *Template) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := join(ctx)
	if err != nil {
		t.Fatalf("pgtest: %v\n  next: %s", err, fault.From(err).Hint)
	}
	t.Cleanup(func() {
		if err := s.leave(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	name := clonePrefix + strings.ToLower(rand.Text()[:16])
	if err := s.clone(ctx, name, tmpl); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { // runs before the one above
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.admin(ctx, func(conn *pgx.Conn) error { return drop(ctx, conn, name) }); err != nil {
			t.Errorf("pgtest: drop the test's database: %v", err)
		}
	})
	return s.server.URL(name)
}

// admin runs fn on a connection to the database postgres.
func (s *session) admin(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := pg.Connect(ctx, s.server.URL("postgres"), "pgtest")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return fn(conn)
}

func (s *session) clone(ctx context.Context, name string, tmpl *Template) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		if tmpl == nil {
			return create(ctx, conn, name, "template0")
		}
		source, err := tmpl.database()
		if err != nil {
			return err
		}
		// The template is missing at first, and when another work tree's keys have just pushed it out.
		err = create(ctx, conn, name, source)
		for range 3 {
			if !pg.Is(err, pg.UndefinedDatabase) {
				return err
			}
			if err = s.build(ctx, conn, source, tmpl); err != nil {
				return fmt.Errorf("build template %s: %w", tmpl.Name, err)
			}
			err = create(ctx, conn, name, source)
		}
		return err
	})
}

func create(ctx context.Context, conn *pgx.Conn, name, source string) error {
	_, err := conn.Exec(ctx, "create database "+name+" template "+source)
	return err
}

func drop(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "drop database if exists "+name+" with (force)")
	return err
}

// database returns the template's database name: its Name and a digest of its Key.
func (t *Template) database() (string, error) {
	for _, r := range t.Name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return "", fault.New(fault.Usage, "template name %q has characters besides a-z, 0-9 and _", t.Name)
		}
	}
	if t.Name == "" || len(t.Name) > 32 || t.Build == nil {
		return "", fault.New(fault.Usage, "a template needs a name of at most 32 bytes and a Build")
	}
	sum := sha256.Sum256([]byte(t.Key))
	return templatePrefix + t.Name + "_" + hex.EncodeToString(sum[:6]), nil
}

// build makes the template under another name and renames it, so a template is whole or absent. One process builds, the
// others wait for its advisory lock; the lock goes with the connection.
func (s *session) build(ctx context.Context, conn *pgx.Conn, source string, tmpl *Template) error {
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended($1, 0))", source); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(ctx, "select pg_advisory_unlock(hashtextextended($1, 0))", source) }()
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", source).Scan(&exists); err != nil || exists {
		return err
	}
	tmp := buildPrefix + strings.ToLower(rand.Text()[:16])
	if err := create(ctx, conn, tmp, "template0"); err != nil {
		return err
	}
	err := tmpl.Build(ctx, s.server.URL(tmp))
	if err == nil {
		err = seal(ctx, conn, tmp, source)
	}
	if err != nil {
		_ = drop(ctx, conn, tmp)
		return err
	}
	return dropOldKeys(ctx, conn, tmpl.Name)
}

// seal renames the new template and lets no session in. A session that Build left open makes that fail, and would make
// every clone wait; a closed one may take a moment to end on the server.
func seal(ctx context.Context, conn *pgx.Conn, tmp, source string) error {
	for end := time.Now().Add(5 * time.Second); ; {
		_, err := conn.Exec(ctx, "alter database "+tmp+" rename to "+source)
		if err == nil {
			_, err = conn.Exec(ctx, "alter database "+source+" allow_connections false")
			return err
		}
		if !pg.Is(err, pg.ObjectInUse) {
			return err
		}
		if time.Now().After(end) {
			return fault.New(fault.Failed, "Build left a session open").WithHint("close the pool before Build returns")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// dropOldKeys keeps the newest templates of a name. The name's digest has 12 digits, which tells names with a common
// beginning apart.
func dropOldKeys(ctx context.Context, conn *pgx.Conn, name string) error {
	old, err := names(ctx, conn, `select datname from pg_database where datname ~ ('^' || $1 || '_[0-9a-f]{12}$')
		order by oid desc offset $2`, templatePrefix+name, keptKeys)
	if err != nil {
		return err
	}
	for _, db := range old {
		if err := drop(ctx, conn, db); err != nil && !pg.Is(err, pg.ObjectInUse) {
			return err
		}
	}
	return nil
}

// dropLeftovers drops the databases of killed runs. Nobody else uses the server now.
func (s *session) dropLeftovers(ctx context.Context) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		old, err := names(ctx, conn, `select datname from pg_database where starts_with(datname, $1) or starts_with(datname, $2)`,
			clonePrefix, buildPrefix)
		if err != nil {
			return err
		}
		for _, db := range old {
			if err := drop(ctx, conn, db); err != nil {
				return err
			}
		}
		return nil
	})
}

func names(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
