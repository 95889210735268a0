package command

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/base/pg"
)

// PrivateDatabase is the database that platctl uses on the private PostgreSQL.
const PrivateDatabase = "platctl"

// Database is the database that commands talk to.
type Database struct {
	URL     string          // may hold a password: print Shown
	Shown   string          // the same, without a password
	Private *localpg.Server // nil where database.url is set
}

// Database answers which database we talk to, for serve and for every tool: database.url, else the private PostgreSQL,
// which is started where it doesn't run.
func (d *Deps) Database(ctx context.Context) (*Database, error) {
	s, err := d.Settings()
	if err != nil {
		return nil, err
	}
	if s.Config.Database.URL == "" {
		return d.private(ctx)
	}
	url, err := s.Secret("database.url", s.Config.Database.URL)
	if err != nil {
		return nil, err
	}
	return &Database{URL: url, Shown: config.Secret(url).String()}, nil
}

func (d *Deps) private(ctx context.Context) (*Database, error) {
	o, err := d.LocalPG()
	if err != nil {
		return nil, err
	}
	server, err := localpg.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	if !server.Attached {
		d.Streams.Say("started the private PostgreSQL in %s, process %d", server.Dir, server.PID)
	}
	url, err := server.EnsureDatabase(ctx, PrivateDatabase)
	if err != nil {
		return nil, err
	}
	return &Database{URL: url, Shown: url, Private: server}, nil
}

// LocalPG says where the private PostgreSQL is.
func (d *Deps) LocalPG() (localpg.Options, error) {
	s, err := d.Settings()
	if err != nil {
		return localpg.Options{}, err
	}
	dir := s.Config.LocalPG.Dir
	if dir == "" {
		dir = filepath.Join(s.Config.StateDir, "postgres")
	}
	return localpg.Options{Dir: dir, BinDir: s.Config.LocalPG.BinDir}, nil
}

// MigrationFiles returns the folder of migrations.dir, else the built-in migrations.
func (d *Deps) MigrationFiles() (fs.FS, error) {
	s, err := d.Settings()
	if err != nil {
		return nil, err
	}
	switch dir := s.Config.Migrations.Dir; {
	case dir != "":
		if _, err := os.ReadDir(dir); err != nil {
			return nil, fault.Wrap(err, fault.Config, "the folder of migrations can't be read").
				WithHint("set migrations.dir, or --dir, to the folder of migrations")
		}
		return os.DirFS(dir), nil
	case d.Migrations != nil:
		return d.Migrations, nil
	}
	return nil, fault.New(fault.Config, "this platctl has no migrations built in, and migrations.dir is not set").
		WithHint("set migrations.dir to the folder of migrations")
}

// Explain turns what the database says about a schema that is too old into the next step.
func Explain(err error) error {
	if pg.Is(err, pg.UndefinedTable) {
		return fault.Wrap(err, fault.Unavailable, "the schema of this database is too old").
			WithHint("`platctl migrate status` shows the schema; `platctl migrate up` brings it forward")
	}
	return err
}
