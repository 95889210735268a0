package compat

import (
	"context"
	"crypto/rand"
	_ "embed"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

//go:embed sql/create.sql
var sqlCreate string

// Scratch is an empty database of its own on a server, for trying migrations out.
type Scratch struct {
	url, server, name string
}

// NewScratch makes one on the server of url. The kind of the error is Forbidden where the role may not make databases.
func NewScratch(ctx context.Context, server string) (*Scratch, error) {
	s := &Scratch{server: server, name: "platctl_scratch_" + strings.ToLower(rand.Text()[:12])}
	s.url = withDatabase(server, s.name)
	err := s.admin(ctx, func(conn *pgx.Conn) error {
		var create string
		if err := conn.QueryRow(ctx, sqlCreate, s.name).Scan(&create); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, create)
		return err
	})
	if pg.Is(err, pg.InsufficientPrivilege) {
		return nil, fault.Wrap(err, fault.Forbidden, "this role may not make a database to try the migrations in").
			WithHint("let it: alter role … createdb")
	}
	return s, databaseFault(err, "a database to try the migrations in can't be made")
}

// Drop removes it.
func (s *Scratch) Drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := s.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "drop database if exists "+pgx.Identifier{s.name}.Sanitize()+" with (force)")
		return err
	})
	return databaseFault(err, "the database %s, in which migrations were tried, can't be dropped", s.name)
}

func (s *Scratch) admin(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := pg.Connect(ctx, s.server, "platctl migrate scratch")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return fn(conn)
}

// withDatabase returns a URL, or a list of key=value, for another database of the same server.
func withDatabase(server, name string) string {
	if u, err := url.Parse(server); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		u.Path = "/" + name
		q := u.Query()
		q.Del("dbname")
		q.Del("database")
		u.RawQuery = q.Encode()
		return u.String()
	}
	return server + " dbname=" + name
}

// mostSteps bounds how many migrations above a release are judged one by one; more are judged once, at the end.
const mostSteps = 50

// After builds the schema from the files, up to a version, and judges releases on it. Between what a release was built on and the
// end it looks after every migration, so that each finding names the one that did it.
func (s *Scratch) After(ctx context.Context, m *migrate.Migrator, releases []*Release, to int64) ([]*Report, error) {
	m = m.Quiet()
	first := to
	for _, r := range releases {
		first = min(first, r.Contract.BuiltOn)
	}
	var steps []int64
	for _, mg := range m.Migrations() {
		if mg.Version >= first && mg.Version < to {
			steps = append(steps, mg.Version)
		}
	}
	each := len(steps) <= mostSteps
	if !each {
		steps = nil
	}
	seen := make([]map[string]string, len(releases)) // finding -> the migration after which it was first seen
	out := make([]*Report, len(releases))
	for _, version := range append(steps, to) {
		if _, err := m.Up(ctx, s.url, version); err != nil {
			return nil, fault.Wrap(err, fault.Failed, "the migrations don't run on an empty database").
				WithHint("they must, for a new installation as for this check")
		}
		for i, r := range releases {
			if version < r.Contract.BuiltOn && version != to {
				continue
			}
			rep, err := s.judge(ctx, r)
			if err != nil {
				return nil, err
			}
			if seen[i] == nil {
				seen[i] = map[string]string{}
			}
			rep.date(seen[i], name(m, version), each && r.Contract.BuiltOn > 0 && version > r.Contract.BuiltOn)
			out[i] = rep
		}
	}
	return out, nil
}

func name(m *migrate.Migrator, version int64) string {
	for _, mg := range m.Migrations() {
		if mg.Version == version {
			return Migration{Version: mg.Version, Name: mg.Name}.ID()
		}
	}
	return ""
}

func (s *Scratch) judge(ctx context.Context, r *Release) (*Report, error) {
	conn, err := pg.Connect(ctx, s.url, "platctl migrate compat")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return Judge(ctx, conn, r.Contract, Options{Release: r.Name, App: r.App, Min: r.Min})
}

// date notes since which migration a finding is there, and says so in the report.
func (r *Report) date(seen map[string]string, migration string, above bool) {
	for i := range r.Findings {
		f := &r.Findings[i]
		if _, old := seen[f.key()]; !old {
			if seen[f.key()] = migration; !above {
				seen[f.key()] = ""
			}
		}
		if by := seen[f.key()]; by != "" {
			f.Migrations = []string{by}
		}
	}
}
