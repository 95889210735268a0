package localpg

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

// helperEnv makes the test binary a process that starts the server of a directory, so that tests can kill it.
const helperEnv = "PLATCTL_TEST_LOCALPG_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		if _, err := Start(context.Background(), testOptions(dir)); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testOptions(dir string) Options {
	return Options{Dir: dir, NoSync: true, Settings: map[string]string{"fsync": "off", "shared_buffers": "16MB", "autovacuum": "off"}}
}

// newDir returns a path for a data directory that the server's user can reach; t.TempDir lets only us in.
func newDir(t testing.TB) string {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "localpg-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "data")
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); err == nil {
			if _, err := Stop(context.Background(), Options{Dir: dir}); err != nil {
				t.Errorf("stop at cleanup: %v", err)
			}
		}
		os.RemoveAll(base)
	})
	return dir
}

func mustStart(t testing.TB, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), testOptions(dir))
	if err != nil {
		t.Fatalf("start: %v\n%s", err, logOf(dir))
	}
	if got := query(t, s.URL("postgres"), "select 'alive'"); got != "alive" {
		t.Fatalf("select 'alive' answered %q", got)
	}
	return s
}

func logOf(dir string) string {
	b, _ := os.ReadFile(LogFile(dir))
	return string(b)
}

func query(t testing.TB, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually polls until ok, with a generous deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Microsecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

func gone(t testing.TB, dir string) {
	t.Helper()
	eventually(t, "every server process has ended", func() bool { return len(serverProcesses(dir)) == 0 })
}

func TestStartStopAttach(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	look := func() Status {
		st, err := Look(t.Context(), testOptions(dir))
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := look(); st.State != Absent {
		t.Fatalf("before: %+v", st)
	}
	s := mustStart(t, dir)
	if s.Attached {
		t.Error("a new server says that it was attached to")
	}
	again := mustStart(t, dir)
	if !again.Attached || again.PID != s.PID {
		t.Errorf("second start: %+v, want attached to %d", again, s.PID)
	}
	st := look()
	if st.State != Running || st.PID != s.PID || st.Socket != s.Socket || st.URL == "" || st.StartedAt.IsZero() || !strings.Contains(st.Version, ".") {
		t.Errorf("status %+v of server %+v", st, s)
	}
	if pid, err := Stop(t.Context(), testOptions(dir)); err != nil || pid != s.PID {
		t.Errorf("stop: %d %v, want %d", pid, err, s.PID)
	}
	if pid, err := Stop(t.Context(), testOptions(dir)); err != nil || pid != 0 {
		t.Errorf("second stop: %d %v, want 0", pid, err)
	}
	if st := look(); st.State != Stopped || st.PID != 0 {
		t.Errorf("after: %+v", st)
	}
	if s := mustStart(t, dir); s.Attached {
		t.Error("restart says attached")
	}
}

func TestNobodyElseMayConnect(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := mustStart(t, dir)
	if got := query(t, s.URL("postgres"), "show listen_addresses"); got != "" {
		t.Errorf("listens on %q", got)
	}
	info, err := os.Stat(s.Socket)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of the socket: %v %v, want mode 0700", info.Mode(), err)
	}
	if hba := query(t, s.URL("postgres"), "select string_agg(distinct auth_method, ',') from pg_hba_file_rules where type = 'host'"); hba != "reject" {
		t.Errorf("host rules are %q, want reject", hba)
	}
}

func TestTwoStartsAtOnce(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	var wg sync.WaitGroup
	got := make([]*Server, 4)
	for i := range got {
		wg.Go(func() {
			s, err := Start(t.Context(), testOptions(dir))
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = s
		})
	}
	wg.Wait()
	starters := 0
	for _, s := range got {
		if s == nil {
			t.FailNow()
		}
		if s.PID != got[0].PID {
			t.Errorf("servers %d and %d on one directory", s.PID, got[0].PID)
		}
		if !s.Attached {
			starters++
		}
	}
	if starters != 1 {
		t.Errorf("%d starts say that they started it, want 1", starters)
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	c, err := open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	release, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	o := testOptions(dir)
	o.Timeout = 50 * time.Millisecond
	_, err = Start(t.Context(), o)
	if !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want busy with our pid", err)
	}
}

// helper starts a process that calls Start on dir.
func helper(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func kill9(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	_ = cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Fatal("the helper ended before it was killed")
	}
}

func TestKilledDuringInitdb(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	unfinishedDirs := func() []string {
		found, _ := filepath.Glob(dir + unfinished + "*")
		return found
	}
	cmd := helper(t, dir)
	eventually(t, "initdb is at work", func() bool {
		found, _ := filepath.Glob(dir + unfinished + "*/base/1")
		return len(found) > 0
	})
	kill9(t, cmd)
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("a half-made data directory is in its place")
	}
	if len(unfinishedDirs()) != 1 {
		t.Fatalf("left behind: %v, want one", unfinishedDirs())
	}
	mustStart(t, dir)
	if left := unfinishedDirs(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKilledBetweenSpawnAndReady(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if err := mustStart(t, dir).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, dir)
	eventually(t, "a server process appears", func() bool { return len(serverProcesses(dir)) > 0 })
	kill9(t, cmd)
	if s := mustStart(t, dir); !s.Attached {
		t.Error("a second server was started beside the first")
	}
}

func TestServerSurvivesItsStarter(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	cmd := helper(t, dir)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if s := mustStart(t, dir); !s.Attached {
		t.Error("the server ended with the process that started it")
	}
}

func TestKilledPostgres(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := mustStart(t, dir)
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "create table kept as select 'kept' as v"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := mustStart(t, dir) // at once: the old backends may still be ending
	if after.Attached || after.PID == s.PID {
		t.Errorf("attached to %d, which was killed", after.PID)
	}
	if got := query(t, after.URL("postgres"), "select v from kept"); got != "kept" {
		t.Errorf("after recovery: %q", got)
	}
}

func TestBackendThatOutlivesItsServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := mustStart(t, dir)
	backend, err := strconv.Atoi(query(t, s.URL("postgres"), "select pid::text from pg_stat_activity where backend_type = 'checkpointer'"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(backend, syscall.SIGSTOP); err != nil { // as if stuck in the kernel
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	o := testOptions(dir)
	o.Timeout = 300 * time.Millisecond
	_, err = Start(t.Context(), o)
	if !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), strconv.Itoa(backend)) {
		t.Errorf("got %v, want busy naming process %d", err, backend)
	}
	if err := syscall.Kill(backend, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	mustStart(t, dir)
}

func TestStalePidFile(t *testing.T) {
	t.Parallel()
	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = strangerAttr()
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	dir := newDir(t)
	for name, pid := range map[string]int{"nobody's pid": 1 << 22, "a stranger's pid": stranger.Process.Pid, "init's pid": 1, "garbage": -1} {
		s := mustStart(t, dir)
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		gone(t, dir)
		replacePid(t, filepath.Join(dir, pidFileName), pid)
		replacePid(t, filepath.Join(s.Socket, socketName+".lock"), pid)
		if st, err := Look(t.Context(), testOptions(dir)); err != nil || st.State != Stopped {
			t.Errorf("%s: status %v %v, want stopped", name, st.State, err)
		}
		if after := mustStart(t, dir); after.Attached {
			t.Errorf("%s: attached to it", name)
		}
		if _, err := Stop(t.Context(), testOptions(dir)); err != nil {
			t.Fatal(err)
		}
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger was harmed: %v", err)
	}
}

// strangerAttr runs the stranger as the server's user, because only then PostgreSQL itself would be fooled.
func strangerAttr() *syscall.SysProcAttr {
	a, err := accountFor("/nonexistent")
	if err != nil || !a.become {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}}
}

func replacePid(t *testing.T, path string, pid int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	text := strconv.Itoa(pid) + "\n" + rest
	if pid < 0 {
		text = ""
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestForeignDirectories(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files map[string]string
		kind  fault.Kind
		says  string
	}{
		"another major version": {map[string]string{"PG_VERSION": "14\n"}, fault.Unavailable, "PostgreSQL 14"},
		"not a data directory":  {map[string]string{"letters.txt": "dear"}, fault.Config, "not a PostgreSQL data directory"},
		"a broken version":      {map[string]string{"PG_VERSION": "x"}, fault.Config, "PG_VERSION"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := filepath.Dir(newDir(t))
			dir := filepath.Join(base, "theirs")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for file, text := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			_, err := Start(t.Context(), testOptions(dir))
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) || fault.From(err).Hint == "" {
				t.Errorf("got %v (%s), want %s saying %q with a hint", err, fault.KindOf(err), tc.kind, tc.says)
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("touched: %v, before %v", after, before)
			}
		})
	}
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		b, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		out = append(out, e.Name()+"="+string(b))
	}
	return out
}

func TestEmptyDirectoryIsUsed(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mustStart(t, dir)
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	short := newDir(t)
	dir := filepath.Join(filepath.Dir(short), strings.Repeat("long/", 25), "data")
	s := mustStart(t, dir)
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		os.Remove(s.Socket)
	})
	if n := len(filepath.Join(s.Socket, socketName)); n > maxSocketPath {
		t.Errorf("socket path has %d bytes", n)
	}
	if info, err := os.Lstat(s.Socket); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of the socket: %v %v", info, err)
	}
	if again := mustStart(t, dir); again.PID != s.PID {
		t.Error("the second start didn't find the first")
	}
}

func TestHijackedSocketFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(filepath.Dir(newDir(t)), strings.Repeat("long/", 25), "data")
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), c.socketDir()); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(c.socketDir())
	if _, err := Start(t.Context(), testOptions(dir)); !errors.Is(err, fault.Failed) || !strings.Contains(err.Error(), "not a private folder") {
		t.Errorf("got %v", err)
	}
}

func TestClearErrors(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0
	for name, tc := range map[string]struct {
		skip  bool
		setup func(t *testing.T) Options
		kind  fault.Kind
		says  string
	}{
		"no directory given": {false, func(*testing.T) Options { return Options{} }, fault.Config, "no data directory"},
		"no programs there": {false, func(t *testing.T) Options {
			return Options{Dir: newDir(t), BinDir: t.TempDir()}
		}, fault.Config, "holds no usable PostgreSQL"},
		"a file in its place": {false, func(t *testing.T) Options {
			dir := newDir(t)
			if err := os.WriteFile(dir, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return Options{Dir: dir}
		}, fault.Config, "not a directory"},
		"a folder the server's user can't enter": {!root, func(t *testing.T) Options {
			return Options{Dir: filepath.Join(t.TempDir(), "data")}
		}, fault.Config, "may not enter"},
		"a folder we can't write": {root, func(t *testing.T) Options {
			dir := newDir(t)
			if err := os.Chmod(filepath.Dir(dir), 0o555); err != nil {
				t.Fatal(err)
			}
			return Options{Dir: dir}
		}, fault.Config, "permission denied"},
		"somebody else's directory": {root, func(*testing.T) Options { return Options{Dir: "/usr"} }, fault.Config, "belongs to root"},
		"a wrong setting": {false, func(t *testing.T) Options {
			return Options{Dir: newDir(t), NoSync: true, Settings: map[string]string{"no_such_setting": "1"}}
		}, fault.Failed, "no_such_setting"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.skip {
				t.Skip("this can only happen to the other kind of user")
			}
			t.Parallel()
			_, err := Start(t.Context(), tc.setup(t))
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v (%s), want %s saying %q", err, fault.KindOf(err), tc.kind, tc.says)
			}
		})
	}
}

func TestRemovedSocket(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := mustStart(t, dir)
	if err := os.Remove(filepath.Join(s.Socket, socketName)); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), testOptions(dir))
	if !errors.Is(err, fault.Failed) || !strings.Contains(fault.From(err).Hint, "removed its socket") {
		t.Errorf("got %v, hint %q", err, fault.From(err).Hint)
	}
	if st, err := Look(t.Context(), testOptions(dir)); err != nil || st.State != Sick {
		t.Errorf("status %v %v, want %s", st.State, err, Sick)
	}
}

func TestEnsureDatabase(t *testing.T) {
	t.Parallel()
	s := mustStart(t, newDir(t))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			url, err := s.EnsureDatabase(t.Context(), `odd "name"`)
			if err != nil {
				t.Error(err)
				return
			}
			if got := query(t, url, "select current_database()::text"); got != `odd "name"` {
				t.Errorf("connected to %q", got)
			}
		})
	}
	wg.Wait()
}

func FuzzParsePidFile(f *testing.F) {
	f.Add("42\n/data\n1700000000\n5432\n/tmp\n\n  123 45\nready   \n")
	f.Add("42\n")
	f.Add("")
	f.Add("-1\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		pm, ok := parsePidFile(text)
		if ok != (pm.pid > 0) {
			t.Errorf("pid %d, ok %v", pm.pid, ok)
		}
		if ok && !strings.HasPrefix(strings.TrimLeft(strings.SplitN(text, "\n", 2)[0], " \t\r0"), strconv.Itoa(pm.pid)) {
			t.Errorf("pid %d from %q", pm.pid, text)
		}
	})
}

func BenchmarkStartExisting(b *testing.B) {
	dir := newDir(b)
	mustStart(b, dir)
	for b.Loop() {
		b.StopTimer()
		if _, err := Stop(b.Context(), testOptions(dir)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := Start(b.Context(), testOptions(dir)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAttach(b *testing.B) {
	dir := newDir(b)
	mustStart(b, dir)
	for b.Loop() {
		if _, err := Start(b.Context(), testOptions(dir)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInitdbAndStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := newDir(b)
		b.StartTimer()
		if _, err := Start(b.Context(), Options{Dir: dir}); err != nil {
			b.Fatal(err)
		}
	}
}
