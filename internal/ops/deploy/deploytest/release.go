// Package deploytest is a small real release and a load generator for the tests of deploys: the release is started by a
// deploy like any other, counts what it executes and can be told, by a file in its directory, to misbehave.
//
// Invariants: the generator sends on a fixed schedule, whatever the answers, and never retries, so nothing a client
// would see is hidden; only tests import this package.
package deploytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/base/unixsock"
)

// Behaviour is the file behaviour.json of a test release.
type Behaviour struct {
	Version     string `json:"version"`
	Status      int    `json:"status,omitempty"`       // answer /work with it instead of 200
	FailStart   bool   `json:"fail_start,omitempty"`   // end with an error before listening
	NeverReady  bool   `json:"never_ready,omitempty"`  // /api/ready answers 503
	FailMigrate bool   `json:"fail_migrate,omitempty"` // `migrate up` fails
	DieOnWork   bool   `json:"die_on_work,omitempty"`  // end at the first request
}

// Main is the release program. It returns its exit code.
func Main(args []string) int {
	var b Behaviour
	data, err := os.ReadFile("behaviour.json")
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if slices.Contains(args, "migrate") {
		return migrate(b)
	}
	fmt.Fprintf(os.Stderr, "release %s starts\n", b.Version)
	if b.FailStart {
		fmt.Fprintln(os.Stderr, "cannot open the flux capacitor")
		return 3
	}
	if err := serve(b, after(args, "--socket"), after(args, "--control-socket")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func migrate(b Behaviour) int {
	if b.FailMigrate {
		fmt.Println(`{"schema":"platctl.migrate.up/v1","ok":false,"error":{"kind":"failed","message":"column shirt_size exists already"}}`)
		return 1
	}
	if err := os.WriteFile("migrated", nil, 0o600); err != nil {
		return 1
	}
	fmt.Println(`{"schema":"platctl.migrate.up/v1","ok":true}`)
	return 0
}

func after(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// app counts what it executes.
type app struct {
	b    Behaviour
	mu   sync.Mutex
	done map[string]int // request id -> executions
}

func serve(b Behaviour, socket, control string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a := &app{b: b, done: map[string]int{}}
	api, err := unixsock.Listen(socket, 0o600)
	if err != nil {
		return err
	}
	ctl, err := unixsock.Listen(control, 0o600)
	if err != nil {
		return err
	}
	holder := role.NewHolder(role.Standby)
	srv := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	csrv := &http.Server{Handler: role.Handler(holder), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(api) }()
	go func() { _ = csrv.Serve(ctl) }()
	<-ctx.Done()
	_ = csrv.Close()
	if err := srv.Shutdown(context.Background()); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	data, err := json.Marshal(a.done)
	if err != nil {
		return err
	}
	return os.WriteFile("executed.json", data, 0o600) // for whoever counts after it is stopped
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("GET /api/ready", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat("not-ready"); err == nil || a.b.NeverReady {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /test/executed", func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		_ = json.NewEncoder(w).Encode(a.done)
	})
	mux.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if a.b.DieOnWork {
			fmt.Fprintln(os.Stderr, "panic: a nil map was written")
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		a.mu.Lock()
		a.done[r.URL.Query().Get("id")]++
		a.mu.Unlock()
		if a.b.Status != 0 {
			w.WriteHeader(a.b.Status)
		}
		fmt.Fprint(w, a.b.Version)
	})
	return mux
}
