package trace

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
)

//go:embed sql/leftovers.sql
var sqlLeftovers string

//go:embed sql/own.sql
var sqlOwn string

//go:embed sql/disown.sql
var sqlDisown string

//go:embed sql/server.sql
var sqlServer string

// scratchPrefix begins the names of scratch databases.
const scratchPrefix = "platctl_trace_"

// cleanupTime is how long dropping a scratch database may take.
const cleanupTime = 30 * time.Second

// scratch is a database of a trace's own. The session to another database of the server owns it by an advisory lock on its name,
// which ends with the process whatever happens to it.
type scratch struct {
	admin   *pgx.Conn
	name    string
	url     string
	version string
}

// makeScratch makes a database on the server of the URL: an empty one, or a copy of the database template. First it drops what killed traces
// have left there.
func makeScratch(ctx context.Context, server, template string) (*scratch, error) {
	adminURL, err := withDatabase(server, "postgres")
	if err != nil {
		return nil, err
	}
	admin, err := pg.Connect(ctx, adminURL, "platctl migrate trace, owner")
	if err != nil {
		return nil, err
	}
	s := &scratch{admin: admin, name: scratchPrefix + strings.ToLower(rand.Text()[:16])}
	if s.url, err = withDatabase(server, s.name); err == nil {
		err = s.make(ctx, template)
	}
	if err != nil {
		_ = s.drop()
		return nil, err
	}
	return s, nil
}

func (s *scratch) make(ctx context.Context, template string) error {
	var replica bool
	var sessions int
	if err := s.admin.QueryRow(ctx, sqlServer, template).Scan(&s.version, &replica, &sessions); err != nil {
		return err
	}
	if replica {
		return fault.New(fault.Refused, "the server is a replica: nothing can be made there").WithHint("trace on another server, or without --on-its-server")
	}
	if template != "" && sessions > 0 {
		return fault.New(fault.Busy, "%d sessions use the database %s, and PostgreSQL copies only a database that nobody uses", sessions, template).
			WithHint("end them, or trace without a template")
	}
	if err := s.dropLeftovers(ctx); err != nil {
		return err
	}
	if err := s.admin.QueryRow(ctx, sqlOwn, s.name).Scan(new(bool)); err != nil {
		return err
	}
	source := template
	if source == "" {
		source = "template0"
	}
	_, err := s.admin.Exec(ctx, "create database "+s.name+" template "+pgx.Identifier{source}.Sanitize())
	switch {
	case pg.Is(err, pg.UndefinedDatabase):
		return fault.New(fault.NotFound, "there is no database %s to copy", source)
	case pg.Is(err, pg.ObjectInUse):
		return fault.Wrap(err, fault.Busy, "the database %s can't be copied", source).WithHint("end the sessions that use it, or trace without a template")
	}
	return fault.Op("make a scratch database", err)
}

// dropLeftovers drops the scratch databases whose owner is gone.
func (s *scratch) dropLeftovers(ctx context.Context) error {
	rows, err := s.admin.Query(ctx, sqlLeftovers, scratchPrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var gone bool
		if err := s.admin.QueryRow(ctx, sqlOwn, name).Scan(&gone); err != nil {
			return err
		}
		if !gone {
			continue
		}
		if _, err := s.admin.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)"); err != nil {
			return fault.Wrap(err, fault.Failed, "the scratch database %s of a trace that was killed can't be dropped", name).
				WithHint("drop it by hand")
		}
		if err := s.admin.QueryRow(ctx, sqlDisown, name).Scan(new(bool)); err != nil {
			return err
		}
	}
	return nil
}

// drop gives everything back, whatever has happened.
func (s *scratch) drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	defer s.admin.Close(ctx)
	if s.admin.IsClosed() { // somebody ended it; the next trace drops what stays
		admin, err := withDatabase(s.url, "postgres")
		if err == nil {
			s.admin, err = pg.Connect(ctx, admin, "platctl migrate trace, owner")
		}
		if err != nil {
			return fault.Wrap(err, fault.Failed, "the scratch database %s can't be dropped", s.name).WithHint("the next trace drops it")
		}
		defer s.admin.Close(ctx)
	}
	if _, err := s.admin.Exec(ctx, "drop database if exists "+s.name+" with (force)"); err != nil {
		return fault.Wrap(err, fault.Failed, "the scratch database %s can't be dropped", s.name).WithHint("the next trace drops it")
	}
	return nil
}

// withDatabase is the URL with another database.
func withDatabase(raw, name string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fault.New(fault.Config, "the database is not given as a URL").WithHint("it looks like postgres://user:password@host:5432/name")
	}
	u.Path = "/" + name
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.RawQuery = q.Encode()
	return u.String(), nil
}
