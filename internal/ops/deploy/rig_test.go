package deploy

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/unixsock"
	"github.com/platctl/platctl/internal/ops/deploy/deploytest"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
	"github.com/platctl/platctl/internal/ops/process"
)

// The test binary is also the release program and an edge of its own, so that real processes are killed in the tests.
func TestMain(m *testing.M) {
	switch os.Getenv(deploytest.Marker) {
	case "release":
		os.Exit(deploytest.Main(os.Args[1:]))
	case "edge":
		os.Exit(edgeMain(os.Args[1], os.Args[2]))
	case "deploy":
		os.Exit(deployMain(os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

func edgeMain(root, listen string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h, err := New(hostOptions(root))
	if err != nil {
		return 2
	}
	o, err := h.EdgeOptions(edgeOptions(listen))
	if err != nil {
		return 3
	}
	e, err := edge.New(o)
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 4
	}
	if e.Run(ctx) != nil {
		return 5
	}
	return 0
}

// deployMain deploys and, when its standard input says so, dies in the middle of it.
func deployMain(root, dir string) int {
	o := hostOptions(root)
	dieAt := os.Getenv("PLATCTL_TEST_DIE_AT")
	o.Notify = func(p Progress) {
		if p.Step == dieAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	h, err := New(o)
	if err == nil {
		_, err = h.Deploy(context.Background(), Request{Dir: dir})
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

func hostOptions(root string) Options {
	return Options{
		Root: root, App: "market", ReadyTimeout: 30 * time.Second, DrainTimeout: 20 * time.Second, LockTTL: time.Minute,
		Env:   []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"},
		Actor: ledger.Actor{User: "ana", Host: "web1", PID: os.Getpid()}, Now: time.Now,
	}
}

func edgeOptions(listen string) edge.Options {
	return edge.Options{
		Listen: listen, DrainDelay: 10 * time.Millisecond, Grace: 20 * time.Second, Version: "test",
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Now: time.Now,
	}
}

// rig is a host with an edge, all in a directory of its own.
type rig struct {
	*Host
	t    *testing.T
	root string
	addr string
	stop func()

	mu    sync.Mutex
	notes []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	root, err := os.MkdirTemp("", "dep")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, root: root}
	o := hostOptions(root)
	o.Notify = func(p Progress) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notes = append(r.notes, p.Step+": "+p.Text)
	}
	if r.Host, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.killReleases()
		os.RemoveAll(root)
	})
	r.startEdge()
	return r
}

// startEdge runs an edge in this process.
func (r *rig) startEdge() {
	r.t.Helper()
	opts := edgeOptions("127.0.0.1:0")
	opts.Log = slog.New(slog.DiscardHandler)
	opts, err := r.EdgeOptions(opts)
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := edge.New(opts)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	r.addr = e.Addr()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(func() { r.stop() })
}

func (r *rig) killReleases() {
	for _, rel := range r.look(context.Background()).releases {
		api, _ := r.sockets(rel.seq)
		for _, id := range process.FindByArg(api) {
			_ = id.Kill(context.Background())
		}
	}
}

func (r *rig) build(b deploytest.Behaviour) string {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "v"+b.Version)
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := deploytest.Build(dir, "market", self, b, true); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

func (r *rig) deploy(b deploytest.Behaviour) *Result {
	r.t.Helper()
	res, err := r.Deploy(r.t.Context(), Request{Dir: r.build(b)})
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

func (r *rig) rollback(to string) *RollbackResult {
	r.t.Helper()
	p, err := r.PlanRollback(r.t.Context(), to)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.Rollback(r.t.Context(), p, "test")
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// serves asks through the edge which release answers.
func (r *rig) serves() string {
	r.t.Helper()
	l := &deploytest.Load{Addr: r.addr}
	text, err := l.Once()
	if err != nil {
		r.t.Fatalf("through the edge: %v", err)
	}
	return text
}

func (r *rig) mustServe(version string) {
	r.t.Helper()
	if got := r.serves(); got != version {
		r.t.Fatalf("%s serves, want %s", got, version)
	}
}

func (r *rig) status() *Status {
	r.t.Helper()
	s, _ := r.Status(r.t.Context())
	return s
}

func (r *rig) noted(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(strings.Join(r.notes, "\n"), text)
}

// executed asks a release on its own socket what it executed, or reads what it left when it was stopped.
func (r *rig) executed(id string) map[string]int {
	r.t.Helper()
	if data, err := os.ReadFile(filepath.Join(r.releaseDir(id), "executed.json")); err == nil {
		out := map[string]int{}
		if err := json.Unmarshal(data, &out); err != nil {
			r.t.Fatal(err)
		}
		return out
	}
	seq, _, _ := splitID(id)
	api, _ := r.sockets(seq)
	resp, err := unixsock.Client(api).Get("http://release/test/executed")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]int{}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) pid(id string) process.ID {
	r.t.Helper()
	rec := r.readRecord(id)
	if rec == nil {
		r.t.Fatalf("no process is written down for %s", id)
	}
	return rec.Process
}
