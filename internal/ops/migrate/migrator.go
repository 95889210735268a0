package migrate

import (
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

// Options shapes a Migrator. The zero value of a field takes the value in its comment.
type Options struct {
	Release     string                  // what is being released, for the ledger; empty
	ToolVersion string                  // platctl's version, for the ledger; "devel"
	LockTimeout time.Duration           // 2s; how long a statement may queue for a lock while others queue behind it
	Attempts    int                     // 10; how often a file is tried when it doesn't get its lock
	RunnerWait  time.Duration           // 1m; how long to wait for another runner
	OnEvent     func(Event)             // nobody; called in the runner's goroutine, in order
	Env         Env                     // no variables; for files with ENVSUB
	FromNothing bool                    // apply everything though another tool's table is here and wasn't adopted
	OutOfOrder  bool                    // apply a migration that is older than the newest applied one
	Watch       Watcher                 // nobody
	Session     []func(*pgx.ConnConfig) // nothing; what the runner's session has besides, for a watcher
	Guard       Guard                   // nobody; asked before a file of phase contract
}

// Migrator is a set of migrations, in the order of their versions.
type Migrator struct {
	opts Options
	all  []*Migration
	gaps []string

	record, recordDown numbered // how the ledger is told of a file that ran up, and down
}

var goMigration = regexp.MustCompile(`^\d+_.+\.go$`)

// New reads every migration in the root of fsys.
func New(fsys fs.FS, o Options) (*Migrator, error) {
	m, err := load(fsys, o.Env)
	if err != nil {
		return nil, fault.Op("read migrations", err)
	}
	o.LockTimeout = cmp.Or(o.LockTimeout, 2*time.Second)
	o.Attempts = cmp.Or(o.Attempts, 10)
	o.RunnerWait = cmp.Or(o.RunnerWait, time.Minute)
	o.ToolVersion = cmp.Or(o.ToolVersion, "devel")
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	m.opts = o
	return m, nil
}

func load(fsys fs.FS, env Env) (*Migrator, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "the folder can't be read").WithHint("set migrations.dir to the folder of migrations")
	}
	var names []string
	for _, e := range entries {
		if goMigration.MatchString(e.Name()) {
			return nil, fault.New(fault.Unsupported, "%s is a migration written in Go; only SQL is read", e.Name())
		}
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".sql") {
			names = append(names, e.Name())
		}
	}
	m := &Migrator{record: number(sqlRecord), recordDown: number(sqlRecordDown)}
	if m.all, err = collect(fsys, names, env); err != nil {
		return nil, err
	}
	if len(m.all) == 0 {
		return nil, fault.New(fault.Config, "there are no migrations").WithHint("set migrations.dir to a folder of NUMBER_name.sql files")
	}
	for _, mg := range m.all {
		if err := checkBatch(mg); err != nil {
			return nil, err
		}
	}
	return m, m.order()
}

// order sorts by version, refuses a version that is there twice and notes numbers that are missing in a sequence.
func (m *Migrator) order() error {
	slices.SortFunc(m.all, func(a, b *Migration) int { return cmp.Compare(a.Version, b.Version) })
	for i := 1; i < len(m.all); i++ {
		a, b := m.all[i-1], m.all[i]
		if a.Version == b.Version {
			return fault.New(fault.Invalid, "%s and %s have the same version", a.File, b.File).WithHint("rename the newer one")
		}
		if b.Version != a.Version+1 && b.Version < firstTimestamp {
			m.gaps = append(m.gaps, fmt.Sprintf("no migration between %d and %d: is a file missing?", a.Version, b.Version))
		}
	}
	return nil
}

// firstTimestamp tells sequence numbers from times such as 20261122150000, which have gaps by nature.
const firstTimestamp = 19700101000000

// Migrations returns the set in order. The caller doesn't change it.
func (m *Migrator) Migrations() []*Migration { return m.all }

// Latest returns the newest version of the set.
func (m *Migrator) Latest() int64 { return m.all[len(m.all)-1].Version }

func (m *Migrator) find(version int64) *Migration {
	i, ok := slices.BinarySearchFunc(m.all, version, func(mg *Migration, v int64) int { return cmp.Compare(mg.Version, v) })
	if !ok {
		return nil
	}
	return m.all[i]
}
