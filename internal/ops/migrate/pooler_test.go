package migrate

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A lock that belongs to a session is worth nothing behind a pooler that hands sessions around: such a one is refused, before
// anything is written, and one that keeps a session for its client is not.
func TestPooler(t *testing.T) {
	t.Parallel()
	bouncer := pgbouncer(t)
	for mode, refused := range map[string]bool{"transaction": true, "session": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pooled := startBouncer(t, bouncer, url, mode)
			m := migrator(t, Options{}, "1_a.sql", up+"create table a ();\n", "2_b.sql", noTx+"create table b ();\n")
			_, err := m.Up(t.Context(), pooled, 0)
			there := str(t, connect(t, url), "select coalesce(to_regnamespace('platctl')::text, 'nothing')")
			if refused {
				wantFault(t, err, fault.Conflict, "a pooler in transaction mode stands before PostgreSQL")
				if there != "nothing" {
					t.Errorf("%s is there", there)
				}
				return
			}
			if err != nil || there != "platctl" {
				t.Errorf("%v; %s", err, there)
			}
		})
	}
}

func pgbouncer(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skip("pgbouncer is not on this machine; apt-get install pgbouncer")
	return ""
}

// startBouncer starts a pooler before the database and returns the URL behind which it is.
func startBouncer(t *testing.T, bouncer, url, mode string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	dir := pgtest.Dir(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	ini := fmt.Sprintf("[databases]\n%s = host=%s port=%d user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = any\npool_mode = %s\nignore_startup_parameters = extra_float_digits\nlogfile = %s/log\n",
		cfg.Database, cfg.Host, cfg.Port, cfg.User, port, mode, dir)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if os.Geteuid() == 0 { // it refuses to be root
		args = []string{"-u", "postgres", file}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bouncer, args...)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", cfg.User, port, cfg.Database)
		}
		if time.Now().After(end) {
			t.Fatalf("pgbouncer doesn't answer: %s", said.String())
		}
	}
}
