// Package pgtest gives tests a database of their own on a real PostgreSQL, in well under 200 ms.
//
// Every test process of one user shares one server, whose data is cached between runs and may be lost at any time (fsync
// is off). A database is a clone of a template, and a template is built once per key. Nothing is kept in the process: the
// shared state is the cache folder with two lock files.
//
//   - users.lock is held shared by whoever uses the server. Who leaves and can take it exclusively was the last, and stops
//     the server.
//   - gate.lock is held while somebody joins or leaves, so that nobody joins a server that is being stopped.
//
// flock dies with its holder, so a killed test run leaves at most a running server and databases without a user; the next
// run attaches to the one and drops the others.
//
// Use Main in TestMain to keep the server for the whole package; without it New works too, and starts and stops the
// server for each test.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
)

const patience = 2 * time.Minute // for other processes that hold a lock, on a slow machine

// Main runs the tests of a package with the shared server up: os.Exit(pgtest.Main(m)).
func Main(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := join(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "pgtest: %v\n  next: %s\n", err, fault.From(err).Hint)
		return 1
	}
	code := m.Run()
	if err := s.leave(); err != nil {
		fmt.Fprintf(os.Stderr, "pgtest: %v\n", err)
	}
	return code
}

// Dir returns a new folder that the server's user can reach, also when the tests run as root; t.TempDir lets only its
// owner in. It is removed at the end of the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// session is one use of the shared server.
type session struct {
	dir    string
	server *localpg.Server
	users  *os.File
}

// join takes a share of the server and starts it where it doesn't run.
func join(ctx context.Context) (*session, error) {
	dir, err := cacheDir(ctx)
	if err != nil {
		return nil, err
	}
	gate, err := lockFile(ctx, filepath.Join(dir, "gate.lock"), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	users, err := openLock(filepath.Join(dir, "users.lock"))
	if err != nil {
		return nil, err
	}
	s := &session{dir: dir, users: users}
	alone := unix.Flock(int(users.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	if alone {
		err = s.startAlone(ctx)
	} else {
		s.server, err = localpg.Start(ctx, s.options())
	}
	if err == nil {
		err = unix.Flock(int(users.Fd()), unix.LOCK_SH) // at once: nobody takes it exclusively without the gate
	}
	if err != nil {
		users.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) options() localpg.Options {
	return localpg.Options{Dir: filepath.Join(s.dir, "data"), NoSync: true, Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
		"autovacuum":   "off", // it takes locks that tests observe
		"max_wal_size": "256MB", "shared_buffers": "64MB", "max_connections": "200",
		"log_min_messages": "fatal", "log_checkpoints": "off",
	}}
}

// startAlone starts the server and drops what killed runs left. The data is a cache without fsync: after a crash of the
// machine it may be broken, and is made again.
func (s *session) startAlone(ctx context.Context) error {
	var err error
	s.server, err = localpg.Start(ctx, s.options())
	if errors.Is(err, fault.Failed) {
		if _, serr := localpg.Stop(ctx, s.options()); serr != nil {
			return errors.Join(err, serr)
		}
		if rerr := os.RemoveAll(s.options().Dir); rerr != nil {
			return errors.Join(err, rerr)
		}
		s.server, err = localpg.Start(ctx, s.options())
	}
	if err != nil {
		return err
	}
	return s.dropLeftovers(ctx)
}

// leave gives the share back; the last one stops the server.
func (s *session) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer s.users.Close()
	gate, err := lockFile(ctx, filepath.Join(s.dir, "gate.lock"), unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer gate.Close()
	if unix.Flock(int(s.users.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil // others still use it
	}
	return s.server.Stop(ctx)
}

// cacheDir returns the folder of the shared server, one for each major version. As root it is in a place that the server's
// user can reach.
func cacheDir(ctx context.Context) (string, error) {
	bin, err := localpg.FindBinaries(ctx, "", 0)
	if err != nil {
		return "", err
	}
	version := "pg" + strconv.Itoa(bin.Major)
	candidates := []string{filepath.Join("/tmp", "platctl-test-"+strconv.Itoa(os.Getuid()))}
	if os.Geteuid() == 0 {
		candidates = []string{"/var/cache/platctl"}
	} else if dir, err := os.UserCacheDir(); err == nil {
		candidates = append([]string{filepath.Join(dir, "platctl")}, candidates...)
	}
	for _, base := range candidates {
		dir := filepath.Join(base, "pgtest", version)
		if err = os.MkdirAll(dir, 0o755); err == nil {
			return dir, ownedByUs(base)
		}
	}
	return "", fault.Wrap(err, fault.Failed, "no cache folder can be made")
}

// ownedByUs refuses a folder in a shared place that somebody else made.
func ownedByUs(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fault.Wrap(err, fault.Failed, "the cache folder can't be read")
	}
	if int(st.Uid) != os.Geteuid() {
		return fault.New(fault.Failed, "%s belongs to somebody else", dir).WithHint("remove it")
	}
	return nil
}

func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "a lock file can't be opened")
	}
	return f, nil
}

// lockFile waits for a lock; closing the file releases it.
func lockFile(ctx context.Context, path string, how int) (*os.File, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fault.New(fault.Busy, "another test process holds %s", path).WithHint("`lsof %s` shows it", path)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
