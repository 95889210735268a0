// Package scratch makes databases for trying migrations out, on any server, and removes them.
//
// Invariants: a scratch database is owned by a session to the server's database postgres, through an advisory lock on its name that ends
// with the process whatever happens to it. Whoever makes one first drops those whose owner is gone, so a killed process leaves
// nothing for longer than until the next one. Nothing else on the server is touched.
package scratch

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
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

//go:embed sql/like.sql
var sqlLike string

// Prefix begins the names of scratch databases.
const Prefix = "platctl_scratch_"

const (
	owner       = "platctl migrate scratch, owner" // as pg_stat_activity shows it
	maintenance = "postgres"                       // the database of owners: advisory locks are one database's
	cleanupTime = 30 * time.Second                 // how long dropping may take
)

// Database is a scratch database.
type Database struct {
	Name    string
	URL     string
	Version string // of the server
	admin   *pgx.Conn
}

// Make makes a database on the server of a URL: an empty one like the URL's own, or a copy of the database template, which nobody may
// be using. The kind of the error is Forbidden where the role may not make databases.
func Make(ctx context.Context, server, template string) (*Database, error) {
	own, err := pgx.ParseConfig(server)
	if err != nil {
		return nil, fault.New(fault.Config, "the database URL can't be read").WithHint("it looks like postgres://user:password@host:5432/name")
	}
	admin, err := pg.Connect(ctx, WithDatabase(server, maintenance), owner)
	if pg.Is(err, pg.InsufficientPrivilege) || pg.Is(err, pg.UndefinedDatabase) {
		return nil, fault.Wrap(err, fault.Forbidden, "this role can't connect to the database %s, from which scratch databases are made", maintenance).
			WithHint("let it: grant connect on database %s to …", maintenance)
	}
	if err != nil {
		return nil, err
	}
	d := &Database{admin: admin, Name: Prefix + strings.ToLower(rand.Text()[:16])}
	d.URL = WithDatabase(server, d.Name)
	if err := d.make(ctx, own.Database, template); err != nil {
		_ = d.Drop()
		return nil, err
	}
	return d, nil
}

func (d *Database) make(ctx context.Context, like, template string) error {
	if err := d.look(ctx, template); err != nil {
		return err
	}
	if err := d.dropLeftovers(ctx); err != nil {
		return err
	}
	if err := d.admin.QueryRow(ctx, sqlOwn, d.Name).Scan(new(bool)); err != nil {
		return err
	}
	create := "create database " + d.Name + " template " + pgx.Identifier{template}.Sanitize()
	if template == "" {
		if err := d.admin.QueryRow(ctx, sqlLike, d.Name, like).Scan(&create); errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no database %s on the server", like)
		} else if err != nil {
			return err
		}
	}
	_, err := d.admin.Exec(ctx, create)
	switch {
	case pg.Is(err, pg.UndefinedDatabase):
		return fault.New(fault.NotFound, "there is no database %s to copy", template)
	case pg.Is(err, pg.ObjectInUse):
		return fault.Wrap(err, fault.Busy, "the database %s can't be copied", template).WithHint("end the sessions that use it, or go without a template")
	case pg.Is(err, pg.InsufficientPrivilege):
		return fault.Wrap(err, fault.Forbidden, "this role may not make a database to try migrations in").WithHint("let it: alter role … createdb")
	}
	return fault.Op("make a scratch database", err)
}

// look refuses where none can be made.
func (d *Database) look(ctx context.Context, template string) error {
	var replica bool
	var sessions int
	if err := d.admin.QueryRow(ctx, sqlServer, template).Scan(&d.Version, &replica, &sessions); err != nil {
		return err
	}
	if replica {
		return fault.New(fault.Refused, "the server is a replica: nothing can be made there").WithHint("use its primary, or the private PostgreSQL")
	}
	if template != "" && sessions > 0 {
		return fault.New(fault.Busy, "%d sessions use the database %s, and PostgreSQL copies only a database that nobody uses", sessions, template).
			WithHint("end them, or go without a template")
	}
	return nil
}

// dropLeftovers drops the scratch databases whose owner is gone. One that another role made is that role's to drop.
func (d *Database) dropLeftovers(ctx context.Context) error {
	rows, err := d.admin.Query(ctx, sqlLeftovers, Prefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var gone bool
		if err := d.admin.QueryRow(ctx, sqlOwn, name).Scan(&gone); err != nil {
			return err
		}
		if !gone {
			continue
		}
		err := d.remove(ctx, name)
		if err != nil && !pg.Is(err, pg.InsufficientPrivilege) {
			return fault.Wrap(err, fault.Failed, "the scratch database %s, whose owner was killed, can't be dropped", name).WithHint("drop it by hand")
		}
		if err := d.admin.QueryRow(ctx, sqlDisown, name).Scan(new(bool)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Database) remove(ctx context.Context, name string) error {
	_, err := d.admin.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)")
	return err
}

// Drop gives everything back, whatever has happened.
func (d *Database) Drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	defer func() { _ = d.admin.Close(ctx) }()
	if d.admin.IsClosed() { // somebody ended it
		admin, err := pg.Connect(ctx, WithDatabase(d.URL, maintenance), owner)
		if err != nil {
			return d.left(err)
		}
		d.admin = admin
	}
	if err := d.remove(ctx, d.Name); err != nil {
		return d.left(err)
	}
	return nil
}

func (d *Database) left(err error) error {
	return fault.Wrap(err, fault.Failed, "the scratch database %s can't be dropped", d.Name).WithHint("the next one that is made here drops it")
}

// WithDatabase returns a URL, or a list of key=value, for another database of the same server.
func WithDatabase(server, name string) string {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return server + " dbname=" + name
	}
	u.Path = "/" + name
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.RawQuery = q.Encode()
	return u.String()
}
