package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/ops/deploy/deploytest"
)

// The test binary is also platctl itself, for `edge --detach`, and the release that is deployed.
func TestMain(m *testing.M) {
	switch os.Getenv(deploytest.Marker) {
	case "release":
		os.Exit(deploytest.Main(os.Args[1:]))
	case "platctl":
		os.Exit(cli.Main(os.Args[1:], term.System(), os.Environ()))
	}
	os.Exit(m.Run())
}

// shell runs platctl command lines against one state directory.
type shell struct {
	t     *testing.T
	state string
	env   []string
}

type outcome struct {
	code     int
	out, err string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	state, err := os.MkdirTemp("", "cmd")
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, state: state, env: []string{
		deploytest.Marker + "=platctl", "PATH=/usr/bin:/bin", "HOME=" + state, "PLATCTL_STATE_DIR=" + state,
		"PLATCTL_DEPLOY_APP=market", "PLATCTL_EDGE_ADMIN_LISTEN=", "PLATCTL_EDGE_DRAIN_DELAY=10ms", "PLATCTL_EDGE_LISTEN=" + freeAddr(t),
	}}
	t.Cleanup(func() {
		s.run("edge", "stop", "--all")
		os.RemoveAll(state)
	})
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (s *shell) run(args ...string) outcome {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return s.runContext(ctx, args...)
}

func (s *shell) runContext(ctx context.Context, args ...string) outcome {
	s.t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(ctx, args, &term.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, s.env)
	s.promised(code, args)
	return outcome{code, out.String(), errs.String()}
}

// promised checks that the command's help names the exit code.
func (s *shell) promised(code int, args []string) {
	s.t.Helper()
	root, _ := cli.NewRoot(&term.Streams{}, nil)
	cmd, _, err := root.Find(args)
	if err == nil && !strings.Contains(cmd.Long, fmt.Sprintf("\n  %3d  ", code)) {
		s.t.Errorf("platctl %s answers %d, which its help does not promise", strings.Join(args, " "), code)
	}
}

// want runs a command and checks its exit code and that what it says contains the texts.
func (s *shell) want(code int, args []string, texts ...string) outcome {
	s.t.Helper()
	o := s.run(args...)
	if o.code != code {
		s.t.Fatalf("platctl %s: exit %d, want %d\n%s%s", strings.Join(args, " "), o.code, code, o.out, o.err)
	}
	for _, text := range texts {
		if !strings.Contains(o.out+o.err, text) {
			s.t.Errorf("platctl %s does not say %q:\n%s%s", strings.Join(args, " "), text, o.out, o.err)
		}
	}
	return o
}

// keys returns the schema and the sorted keys of data of a JSON answer.
func (o outcome) keys(t *testing.T) (schema string, keys string) {
	t.Helper()
	var e struct {
		Schema string                     `json:"schema"`
		Data   map[string]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(o.out), &e); err != nil {
		t.Fatalf("%v in %q", err, o.out)
	}
	var list []string
	for k := range e.Data {
		list = append(list, k)
	}
	slices.Sort(list)
	return e.Schema, strings.Join(list, " ")
}

func (s *shell) build(version string, status int) string {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := filepath.Join(s.t.TempDir(), version)
	if err := deploytest.Build(dir, "market", self, deploytest.Behaviour{Version: version, Status: status}, true); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

func args(line string, more ...string) []string { return append(strings.Fields(line), more...) }

func TestWholeLife(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.want(3, args("status"), "edge      not running", "nothing serves", "platctl edge --detach")
	s.want(6, args("rollback --yes"), "no edge answers")
	s.want(6, args("deploy", s.build("1.0.0", 0)), "no edge answers")
	s.want(0, args("history"), "0 events; the chain is whole")
	s.want(3, args("edge stop"), "no edge runs")
	s.want(0, args("edge --detach"), "edge on 127.0.0.1:")
	s.want(5, args("edge --detach"), "runs already")
	s.want(5, args("edge"), "runs already")
	s.want(3, args("status"), "nothing serves", "no release of market")
	s.want(3, args("rollback --yes"), "nothing of market is deployed")

	s.want(0, args("deploy --dry-run", s.build("1.0.0", 0)), "release   1-1.0.0", "replaces  nothing", "yes, before the swap")
	s.want(0, args("deploy", s.build("1.0.0", 0)), "1-1.0.0 serves, in place of nothing", "every digest checked")
	s.want(8, args("rollback --yes"), "no good release to go back to", "it is the only one")
	s.want(0, args("deploy --why broken", s.build("2.0.0", 500)), "2-2.0.0 serves, in place of 1-1.0.0")
	s.want(0, args("status"), "serves    2-2.0.0 (good)", "standby   1-1.0.0 (good)", "role active", "role standby", "to 1-1.0.0, warm")

	s.want(4, args("rollback"), "back to  1-1.0.0", "no migration runs", "--yes")
	s.want(0, args("rollback --dry-run"), "back to  1-1.0.0")
	s.want(0, args("rollback --yes --why 500s"), "1-1.0.0 serves again", "2-2.0.0 is marked bad")
	s.want(8, args("rollback --yes"), "2-2.0.0 is bad")
	s.want(3, args("rollback --yes --to 2.0.0"), "2-2.0.0 is bad")
	s.want(3, args("rollback --yes --to 1.0.0"), "serves already")
	s.want(1, args("rollback --yes --to 9"), `no release "9"`)
	s.want(2, args("rollback 1.0.0"))
	s.want(0, args("history"), "from 2-2.0.0 500s", "the chain is whole")
	s.want(0, args("edge stop --all"), "edge, 1-1.0.0, 2-2.0.0")
	s.want(3, args("status"), "not running")
}

func TestJSONIsPinned(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	pin := func(o outcome, schema, keys string) {
		t.Helper()
		if gotSchema, gotKeys := o.keys(t); gotSchema != schema || gotKeys != keys {
			t.Errorf("%s has %s\nwant %s with %s", gotSchema, gotKeys, schema, keys)
		}
	}
	pin(s.want(0, args("edge --detach --json")), "platctl.edge/v1", "listen log pid stopped")
	pin(s.want(0, args("deploy --json", s.build("1.0.0", 0))), "platctl.deploy/v1", "app fencing_token release steps swap_ns total_ms version")
	pin(s.want(0, args("deploy --json --dry-run", s.build("2.0.0", 0))), "platctl.deploy.plan/v1",
		"app bytes digest files migrate release replaces steps stops version")
	pin(s.want(0, args("deploy --json", s.build("2.0.0", 0))), "platctl.deploy/v1", "app fencing_token previous release steps swap_ns total_ms version")
	pin(s.want(0, args("status --json")), "platctl.status/v1", "active app edge ledger_events rollback serving standby")
	pin(s.want(0, args("rollback --json --dry-run")), "platctl.rollback.plan/v1", "app from served to version warm")
	pin(s.want(0, args("rollback --json --yes")), "platctl.rollback/v1",
		"app fencing_token from recorded restored_ms served swap_ns to version warm")
	pin(s.want(0, args("history --json --limit 2")), "platctl.history/v1", "events total whole")
	pin(s.want(0, args("edge stop --all --json")), "platctl.edge.stop/v1", "stopped")
	pin(s.want(3, args("status --json"), `"ok":false`, `"exit":3`), "platctl.status/v1", "app edge ledger_events rollback serving")
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.want(0, args("edge --detach"))
	s.want(1, args("deploy", filepath.Join(s.state, "nothing")), "not a release directory")
	s.want(2, args("deploy"))
	s.want(2, args("deploy --app ../x", s.build("1.0.0", 0)), "is not a name")
	s.want(2, args("deploy --ready-timeout never", s.build("1.0.0", 0)))
	s.want(2, args("deploy --drain-timeout -1s", s.build("1.0.0", 0)), "positive")
	s.want(2, args("history --limit -1"), "negative")
	s.want(2, args("status extra"))
	s.want(2, []string{"rollback", "--yes", "--to", ""}, "--to is empty")
	dir := s.build("1.0.0", 0)
	if err := os.WriteFile(filepath.Join(dir, "behaviour.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(2, args("deploy", dir), "behaviour.json has 2 bytes", "build it again")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.want(5, args("edge --detach"), "runs already", "`platctl edge stop`")
	s.want(5, args("edge"), "runs already")
	s.want(3, args("edge stop --app nobody"), "no edge runs for nobody")
	s.want(6, args("rollback --yes --app nobody"), "platctl edge --detach")
	s.want(6, args("deploy --root", t.TempDir(), s.build("1.0.0", 0)), "no edge answers on", "platctl edge --detach")
	s.want(5, args("edge --detach --app other --listen", taken.Addr().String()), "is taken by another process")
}

func TestBrokenLedgerIsShownAndSaid(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.want(0, args("edge --detach"))
	s.want(0, args("deploy", s.build("1.0.0", 0)))
	path := filepath.Join(s.state, "apps", "market", "ledger.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(`"kind":"swap"`), []byte(`"kind":"swop"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(3, args("history"), "swop", "the ledger is broken")
	s.want(0, args("status"), "problem", "the ledger is broken")
}

func TestInterruptedDeployExits130(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.want(0, args("edge --detach"))
	ctx, cancel := context.WithCancel(t.Context())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "r")
	if err := deploytest.Build(dir, "market", self, deploytest.Behaviour{Version: "1.0.0", NeverReady: true}, false); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(time.Millisecond) {
			if m, _ := filepath.Glob(filepath.Join(s.state, "apps/market/releases/*/process.json")); len(m) > 0 {
				return
			}
		}
	}()
	if o := s.runContext(ctx, "deploy", dir); o.code != 130 || !strings.Contains(o.err, "nothing serves yet: interrupted") {
		t.Fatalf("exit %d\n%s%s", o.code, o.out, o.err)
	}
	s.want(0, args("deploy", s.build("1.0.1", 0)), "2-1.0.1 serves")
}

// An edge in the foreground ends with exit 0 when it is told to, having served until then.
func TestForegroundEdge(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	ctx, stop := context.WithCancel(t.Context())
	addr := freeAddr(t)
	done := make(chan outcome, 1)
	go func() { done <- s.runContext(ctx, "edge", "--listen", addr) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		resp, err := http.Get("http://" + addr)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("status %d", resp.StatusCode)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal(errors.Join(errors.New("the edge does not answer"), err))
		}
	}
	stop()
	if o := <-done; o.code != 0 || !strings.Contains(o.out, "edge stopped") {
		t.Fatalf("exit %d\n%s%s", o.code, o.out, o.err)
	}
}
