package edge

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/connlimit"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
	"github.com/platctl/platctl/internal/ops/process"
)

// Edge is one running edge. Make it with New, run it with Run.
type Edge struct {
	opts     Options
	log      *slog.Logger
	errorLog *log.Logger
	table    *table
	buffers  *buffers
	conns    *conns
	limit    *connlimit.Limit
	since    time.Time
	self     process.ID

	changes  sync.Mutex // one change at a time: check, store, swap
	store    store
	problems []string // under changes

	draining atomic.Bool
	unrouted atomic.Uint64
	swaps    atomic.Uint64

	lock     *os.File
	client   net.Listener
	control  net.Listener
	admin    net.Listener
	stopping chan struct{} // closed when the drain begins: waiting control requests end
}

// New takes the lock, opens the listeners and restores the routes. Clients are answered once Run is called; until then
// they wait in the listener's queue.
func New(opts Options) (*Edge, error) {
	self, err := process.Self()
	if err != nil {
		return nil, fault.Op("start edge", err)
	}
	e := &Edge{
		opts: opts, log: opts.Log, errorLog: slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn), table: newTable(),
		buffers: newBuffers(), conns: newConns(), limit: connlimit.New(opts.MaxConnsPerIP), since: opts.Now().UTC(), self: self, store: store{path: opts.RoutesFile},
		stopping: make(chan struct{}),
	}
	if err := e.open(); err != nil {
		e.close()
		return nil, fault.Op("start edge", err)
	}
	routes, problems := e.store.load()
	for _, p := range problems {
		e.log.Error("routes were not fully restored", slog.String("problem", p))
	}
	for _, r := range routes {
		e.table.swap(r)
		e.log.Info("route restored", slog.String("app", r.App), slog.String("release", r.Active.Release))
	}
	e.problems = problems
	return e, nil
}

func (e *Edge) open() (err error) {
	if e.lock, err = takeLock(e.opts.LockFile); err != nil {
		return err
	}
	if e.control, err = unixsock.Listen(e.opts.ControlSocket, 0o600); err != nil {
		return err
	}
	if e.client, err = listen("edge.listen", e.opts.Listen); err != nil {
		return err
	}
	if e.opts.AdminListen != "" {
		e.admin, err = listen("edge.admin_listen", e.opts.AdminListen)
	}
	return err
}

// Addr returns the address clients talk to.
func (e *Edge) Addr() string { return e.client.Addr().String() }

// AdminAddr returns the address of the metrics, or "".
func (e *Edge) AdminAddr() string {
	if e.admin == nil {
		return ""
	}
	return e.admin.Addr().String()
}

// Run serves until ctx ends, then drains softly and returns nil; or it returns why it could not serve.
func (e *Edge) Run(ctx context.Context) error {
	defer e.close()
	public := &http.Server{
		Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ConnState: e.conns.track, ErrorLog: e.errorLog,
	}
	// Own work of the edge, small by nature. Answers to a Drain may take minutes, so there is no write timeout.
	control := &http.Server{Handler: e.controlHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: e.errorLog}
	failed := make(chan error, 3)
	serve := func(s *http.Server, ln net.Listener) {
		if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) && !e.draining.Load() {
			failed <- err
		}
	}
	go serve(public, e.limit.Listen(e.client))
	go serve(control, e.control)
	defer control.Close()
	if e.admin != nil {
		admin := &http.Server{Handler: e.adminHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: e.errorLog}
		go serve(admin, e.admin)
		defer admin.Close()
	}
	e.log.Info("edge serves", slog.String("listen", e.Addr()), slog.String("metrics", e.AdminAddr()),
		slog.Int("pid", e.self.PID))
	select {
	case err := <-failed:
		return fault.Op("edge", fault.Wrap(err, fault.Failed, "a listener broke"))
	case <-ctx.Done():
		e.drain(public)
		return nil
	}
}

// drain stops without losing a request: answers close their connections for a while, then no new connection is taken,
// then what has begun is finished, and only then Shutdown closes what is idle.
func (e *Edge) drain(public *http.Server) {
	e.log.Info("edge drains", slog.Duration("delay", e.opts.DrainDelay))
	e.draining.Store(true)
	close(e.stopping)
	time.Sleep(e.opts.DrainDelay)
	_ = e.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), e.opts.Grace)
	defer cancel()
	if busy := e.conns.quiet(ctx); busy > 0 {
		e.log.Warn("requests were cut off", slog.Int("connections", busy))
	}
	_ = public.Shutdown(ctx)
	_ = public.Close()
	e.log.Info("edge stopped")
}

func (e *Edge) close() {
	for _, c := range []net.Listener{e.client, e.control, e.admin} {
		if c != nil {
			_ = c.Close()
		}
	}
	if e.lock != nil {
		_ = e.lock.Close()
	}
}

// takeLock makes this the only edge of the app. The kernel gives the lock back when the process dies, however it dies.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "the edge's lock can't be opened").WithHint("run as the user that ran the edge before")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.New(fault.Busy, "an edge of this app runs already").WithHint("`platctl status` shows it")
	}
	return f, nil
}

func listen(key, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault.Wrap(err, fault.Busy, "%s is taken by another process", addr).
			WithHint("stop it, or choose another address with %s", key)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "can't listen on %s", addr).WithHint("%s sets the address", key)
	}
	return ln, nil
}
