package migrate

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/catalog"
)

var (
	killEvery   = flag.Int("kill-every", 41, "kill the runner at every n-th message; 1: at all of them")
	starterRuns = flag.Int("starter-runs", 2, "how often ten runners start at once")
)

func TestMain(m *testing.M) {
	if url := os.Getenv("PLATCTL_TEST_RUNNER"); url != "" {
		os.Exit(childRunner(url, os.Getenv("PLATCTL_TEST_DIRECTION")))
	}
	os.Exit(pgtest.Main(m))
}

// killed is a file in which every statement that runs twice or not at all shows: in the rows of log, by a name that is there
// already, or by one that isn't.
const killed = `-- +goose NO TRANSACTION
-- +goose Up
create table log (id int generated always as identity, what text);
set search_path = pg_catalog, public;
insert into log (what) values ('3');
create index concurrently log_what on log (what);
begin;
insert into log (what) values ('6');
insert into log (what) values ('7');
commit;
create unique index concurrently on log (id);
vacuum log;
drop index concurrently log_what;
reindex table concurrently log;
-- +goose StatementBegin
do $$ begin insert into log (what) values ('13'); end $$;
-- +goose StatementEnd
-- +goose Down
insert into log (what) values ('down 1');
create index concurrently log_what on log (what);
drop index concurrently log_what;
drop index concurrently log_id_idx;
alter table log rename to log_is_down;
`

// inLog are the rows after so many statements are done.
var upRows, downRows = []int{0, 0, 0, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 4}, []int{4, 5, 5, 5, 5, 5}

func killedMigrator(direction string) (*Migrator, error) {
	if direction == "backfill" {
		return New(mapFS("1_rows.sql", fmt.Sprintf(backfilled, "k", "k")), Options{})
	}
	return New(fstest.MapFS{"1_killed.sql": {Data: []byte(killed)}}, Options{})
}

// childRunner is the process that is killed.
func childRunner(url, direction string) int {
	m, err := killedMigrator(direction)
	if err == nil && direction == "down" {
		_, err = m.Down(context.Background(), url, 0)
	} else if err == nil {
		_, err = m.Up(context.Background(), url, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A runner that is killed at any message that it sends, before it reaches the server or after the server has done what it says,
// leaves a ledger that knows what is done; one command brings database and ledger to where an undisturbed run does.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{"up", "down"} {
		clean := pgtest.Empty(t)
		want, messages := undisturbed(t, clean, direction)
		t.Logf("%s: %d messages, killed before and after each %d.", direction, messages, *killEvery)
		for at := 1; at <= 2*messages; at += *killEvery {
			t.Run(fmt.Sprintf("%s/%d", direction, at), func(t *testing.T) {
				url := pgtest.Empty(t)
				conn := connect(t, url)
				m, err := killedMigrator(direction)
				if err != nil {
					t.Fatal(err)
				}
				if direction == "down" {
					mustUp(t, m, url)
				}
				if n := spawn(t, url, direction, (at+1)/2, at%2 == 0); n != (at+1)/2 {
					t.Fatalf("it wasn't killed at message %d, there were %d", (at+1)/2, n)
				}
				checkRecorded(t, conn, direction)
				if _, err := goOn(t, m, url, direction); err != nil {
					t.Fatal(err)
				}
				if got := stateOf(t, conn); got != want {
					t.Errorf("killed at message %d, after it %v:\n%s\nwant\n%s", (at+1)/2, at%2 == 0, got, want)
				}
			})
		}
	}
}

func goOn(t *testing.T, m *Migrator, url, direction string) (any, error) {
	if direction == "down" {
		return m.Down(t.Context(), url, 0)
	}
	return m.Up(t.Context(), url, 0)
}

// undisturbed runs the file once and returns what is there then, and how many messages it took.
func undisturbed(t *testing.T, url, direction string) (state string, messages int) {
	t.Helper()
	if direction == "down" {
		m, err := killedMigrator(direction)
		if err != nil {
			t.Fatal(err)
		}
		mustUp(t, m, url)
	}
	n := spawn(t, url, direction, 0, false)
	return stateOf(t, connect(t, url)), n
}

// checkRecorded compares what has been done with what the ledger says, once the killed runner's session has ended.
func checkRecorded(t *testing.T, conn *pgx.Conn, direction string) {
	t.Helper()
	for str(t, conn, "select count(*)::text from pg_stat_activity where application_name = 'platctl migrate' and datname = current_database()") != "0" {
		time.Sleep(time.Millisecond)
	}
	entries, err := readLedger(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	done, rows := 0, upRows
	e := entries[1]
	if e != nil {
		done = e.StmtDone
	}
	if direction == "down" {
		rows = downRows
		if e.State == Applied {
			done = 0
		}
		if e.State == Reverted {
			done = len(rows) - 1
		}
	}
	var table *string
	if err := conn.QueryRow(t.Context(), "select coalesce(to_regclass('log'), to_regclass('log_is_down'))::text").Scan(&table); err != nil {
		t.Fatal(err)
	}
	n := 0
	if table != nil {
		n, _ = strconv.Atoi(str(t, conn, "select count(*)::text from "+*table))
	}
	if n != rows[done] {
		t.Errorf("%d rows are there, and the ledger says that %d statements are done, after which there are %d: %+v", n, done, rows[done], e)
	}
	if (table == nil) != (done == 0 && direction == "up") {
		t.Errorf("table %v with %d statements done", table, done)
	}
}

// stateOf is all that must be the same: the schema, the rows and the ledger.
func stateOf(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	s, err := catalog.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	rows := "log"
	if str(t, conn, "select (to_regclass('log') is null)::text") == "true" {
		rows = "log_is_down"
	}
	return fmt.Sprintf("%s\n%s\n%s\n%s\n%s", s.Fingerprint,
		str(t, conn, "select string_agg(what, ' ' order by id) from "+rows),
		str(t, conn, `select string_agg(format('%s %s %s of %s, begun %s, "%s", %s', version, state, stmt_done, stmt_total, begun, error, up_sha256), '; ') from platctl.migrations`),
		str(t, conn, "select (after = '"+s.Fingerprint+"')::text from platctl.migration_runs order by id desc limit 1"),
		str(t, conn, "select count(*)::text from platctl.migration_events where state in ('applied', 'reverted')"))
}

// spawn runs the file in a process of its own, through a proxy that kills it at message at (0: none), before the server hears of
// it or after the server has answered, and returns how many messages there were.
func spawn(t *testing.T, url, direction string, at int, after bool) int {
	t.Helper()
	p := &proxy{at: at, after: after, killed: make(chan struct{})}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PLATCTL_TEST_RUNNER="+p.listen(t, url), "PLATCTL_TEST_DIRECTION="+direction)
	var said strings.Builder
	cmd.Stderr = &said
	p.kill = func() { _ = cmd.Process.Kill() }
	p.mu.Lock() // until there is a process
	err := cmd.Start()
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	p.stop()
	var exit *exec.ExitError
	switch {
	case at == 0 && err != nil:
		t.Fatalf("%v: %s", err, said.String())
	case at > 0 && (!errors.As(err, &exit) || exit.ExitCode() != -1):
		t.Fatalf("not killed at %d: %v: %s", at, err, said.String())
	}
	return p.messages()
}

// proxy stands between a client and the server, and counts the messages that ask for an answer.
type proxy struct {
	at     int
	after  bool
	kill   func()
	killed chan struct{}

	mu       sync.Mutex
	n        int
	listener net.Listener
	conns    []net.Conn
	wg       sync.WaitGroup
}

// listen returns the URL through which the database can be reached.
func (p *proxy) listen(t *testing.T, url string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	if strings.HasPrefix(cfg.Host, "/") {
		network, address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", cfg.Host, cfg.Port)
	}
	p.wg.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			answered := make(chan struct{}, 1)
			p.wg.Go(func() { p.requests(client, server, answered) })
			p.wg.Go(func() { p.answers(client, server, answered) })
		}
	})
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", cfg.User, cfg.Password, p.listener.Addr(), cfg.Database)
}

func (p *proxy) messages() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// requests passes on what the client sends, up to the message at which it is killed.
func (p *proxy) requests(client, server net.Conn, answered <-chan struct{}) {
	defer server.Close()
	first := true
	for {
		msg, err := readMessage(client, first)
		if err != nil {
			return
		}
		ask := !first && (msg[0] == 'Q' || msg[0] == 'S')
		first = false
		p.mu.Lock()
		if ask {
			p.n++
		}
		now := ask && p.n == p.at
		p.mu.Unlock()
		if now && p.after {
			_, _ = server.Write(msg)
			<-answered
		}
		if now {
			p.mu.Lock()
			p.kill()
			p.mu.Unlock()
			close(p.killed)
			return
		}
		if _, err := server.Write(msg); err != nil {
			return
		}
		if ask {
			<-answered
		}
	}
}

// answers passes on what the server says; what it says to the message that kills is kept back.
func (p *proxy) answers(client, server net.Conn, answered chan<- struct{}) {
	defer client.Close()
	defer close(answered)
	ready := false
	for {
		msg, err := readMessage(server, false)
		if err != nil {
			return
		}
		p.mu.Lock()
		keep := p.at > 0 && p.n >= p.at
		p.mu.Unlock()
		if !keep {
			if _, err := client.Write(msg); err != nil {
				return
			}
		}
		if msg[0] == 'Z' {
			if ready { // the first one follows the login
				answered <- struct{}{}
			}
			ready = true
		}
	}
}

// readMessage reads one message of PostgreSQL's protocol. The first one of a client has no type.
func readMessage(r io.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
	if size < 0 || size > 1<<26 {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	msg := append(head, make([]byte, size)...)
	_, err := io.ReadFull(r, msg[len(head):])
	return msg, err
}

func (p *proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
