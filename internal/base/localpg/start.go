package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/fault"
)

// Start returns the running server of the data directory: it attaches to one that is healthy, else makes the directory
// where it is missing and starts one. When ctx ends first, a server that is starting goes on, and a later Start
// attaches to it.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	return s, fault.Op("start PostgreSQL", err)
}

func start(ctx context.Context, o Options) (*Server, error) {
	c, err := open(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	if pm, ok := c.running(); ok && pm.ready() && c.ping(ctx, pm) == nil {
		return c.server(pm, true), nil // the usual case needs no lock
	}
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		return nil, fault.Wrap(err, fault.Config, "the folder of the data directory can't be made").
			WithHint("set localpg.dir or state_dir to a place you may write to")
	}
	if c, err = open(o); err != nil { // again: links above the directory can be resolved now
		return nil, err
	}
	release, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if c.major, err = majorOf(c.dir); err != nil { // somebody may have made it while we waited
		return nil, err
	}
	if c.major == 0 {
		if err := c.create(ctx); err != nil {
			return nil, err
		}
	}
	return c.run(ctx)
}

func (c *cluster) server(pm postmaster, attached bool) *Server {
	return &Server{Dir: c.dir, Socket: pm.socket, PID: pm.pid, StartedAt: pm.startedAt, Attached: attached, opts: c.opts}
}

const maxStrikes = 10 // over about 100 ms

// run brings the server up: it waits for one that starts or stops already and starts one where none lives.
func (c *cluster) run(ctx context.Context) (*Server, error) {
	var own *child
	strikes := 0
	for wait := time.Millisecond; ; wait = min(wait*3/2, 20*time.Millisecond) {
		pm, alive := c.running()
		switch {
		case alive && pm.ready():
			err := c.ping(ctx, pm)
			if err == nil {
				return c.server(pm, own == nil || pm.pid != own.pid), nil
			}
			if !passing(err) {
				strikes++ // a server that is just ending looks the same for a moment
			}
			if strikes == maxStrikes {
				return nil, c.unreachable(pm, err)
			}
		case alive, own == nil && len(serverProcesses(c.dir)) > 0:
			// It starts or stops, or it hasn't written its pid file yet, or backends outlived a killed one.
		case own == nil:
			var err error
			if own, err = c.spawn(ctx); err != nil {
				return nil, err
			}
			wait = time.Millisecond
		case own.ended():
			if err := c.verdict(own); err != nil {
				return nil, err
			}
			own, wait = nil, 20*time.Millisecond
		}
		if err := own.pause(ctx, wait); err != nil {
			return nil, c.late(err, own)
		}
	}
}

// child is a server that this process started and may have to bury.
type child struct {
	pid  int
	done chan struct{} // closed when it has ended
	log  int64         // where its part of the log begins
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// pause waits for d, for the end of ctx or for the end of the child, whichever is first.
func (c *child) pause(ctx context.Context, d time.Duration) error {
	if c == nil || c.ended() {
		return pause(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
	case <-t.C:
	}
	return nil
}

// spawn starts the server in a session of its own.
func (c *cluster) spawn(ctx context.Context) (*child, error) {
	bin, err := FindBinaries(ctx, c.opts.BinDir, c.major)
	if err != nil {
		return nil, err
	}
	if bin.Major != c.major {
		return nil, notFound(c.major, []string{bin.Version + " in " + bin.Dir})
	}
	if bin.Major < MinMajor {
		return nil, notFound(0, []string{bin.Version + " in " + bin.Dir})
	}
	if err := c.disarm(); err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the stale postmaster.pid can't be replaced")
	}
	if err := c.ensureSocketDir(); err != nil {
		return nil, err
	}
	log, at, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := c.acct.command(c.dir, bin.Path("postgres"), c.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return nil, c.acct.explain(err, cmd)
	}
	own := &child{pid: cmd.Process.Pid, done: make(chan struct{}), log: at}
	go bury(cmd, own.done)
	return own, nil
}

func bury(cmd *exec.Cmd, done chan<- struct{}) {
	_ = cmd.Wait() // how it ended is in its log
	close(done)
}

func (c *cluster) args() []string {
	args := []string{"-D", c.dir}
	settings := map[string]string{"random_page_cost": "1.1"} // pages are in memory or on flash; PostgreSQL's 4 is a spinning disk
	maps.Copy(settings, c.opts.Settings)
	settings["listen_addresses"] = ""
	settings["port"] = port
	settings["unix_socket_directories"] = c.socketDir()
	settings["unix_socket_permissions"] = "0700"
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", k+"="+settings[k])
	}
	return args
}

// openLog opens the log for appending; a large one is put aside first.
func (c *cluster) openLog() (*os.File, int64, error) {
	path := LogFile(c.dir)
	if info, err := os.Lstat(path); err == nil && info.Size() > logLimit {
		_ = os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, 0, fault.Wrap(err, fault.Failed, "the server's log can't be opened")
	}
	info, err := f.Stat()
	if err == nil {
		err = c.acct.own(path)
	}
	if err != nil {
		f.Close()
		return nil, 0, fault.Wrap(err, fault.Failed, "the server's log can't be prepared")
	}
	return f, info.Size(), nil
}

// verdict reads why our server ended. nil means that trying again makes sense: another server won the race, or
// backends of a killed one are still ending.
func (c *cluster) verdict(own *child) error {
	text := c.logSince(own.log)
	if strings.Contains(text, "pre-existing shared memory block") || strings.Contains(text, "lock file \"postmaster.pid\"") {
		return nil
	}
	return fault.New(fault.Failed, "the server ended at once: %s", logReason(text)).
		WithHint("its log is %s", LogFile(c.dir))
}

// late says what was going on when the deadline passed.
func (c *cluster) late(err error, own *child) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if pm, alive := c.running(); alive {
		return fault.New(fault.Timeout, "the server, process %d, %s", pm.pid, doing(pm)).
			WithHint("it goes on by itself; recovery after a crash can take minutes; its log is %s", LogFile(c.dir))
	}
	if pids := serverProcesses(c.dir); len(pids) > 0 {
		return fault.New(fault.Busy, "processes %v of a killed server still use the data", pids).
			WithHint("wait for them, or end them with kill -QUIT, then start again")
	}
	if own != nil {
		return fault.New(fault.Timeout, "the server, process %d, has not written its pid file yet", own.pid)
	}
	return fault.New(fault.Timeout, "the server could not be started in time")
}

func doing(pm postmaster) string {
	switch {
	case pm.ready():
		return "doesn't answer"
	case pm.status == "":
		return "is still starting"
	}
	return "is still " + pm.status
}

func (c *cluster) logSince(at int64) string {
	b, err := os.ReadFile(LogFile(c.dir))
	if err != nil || at > int64(len(b)) {
		return ""
	}
	return string(b[at:])
}

// logReason picks the lines of a server's log that say why it ended.
func logReason(text string) string {
	var why []string
	for line := range strings.Lines(text) {
		for _, mark := range []string{"FATAL:", "PANIC:", "DETAIL:"} {
			if i := strings.Index(line, mark); i >= 0 {
				why = append(why, strings.TrimSpace(line[i+len(mark):]))
			}
		}
	}
	if len(why) == 0 {
		return "it says: " + lastLines(text, 3)
	}
	return strings.Join(why, "; ")
}

// ping connects once. A server that has no connection left to give is a healthy one.
func (c *cluster) ping(ctx context.Context, pm postmaster) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, socketURL(pm.socket, "postgres"))
	if err == nil {
		return conn.Close(ctx)
	}
	var pge *pgconn.PgError
	if errors.As(err, &pge) && pge.Code == "53300" {
		return nil
	}
	return err
}

// passing says whether a failed connection is part of starting or stopping.
func passing(err error) bool {
	var pge *pgconn.PgError
	if errors.As(err, &pge) {
		return pge.Code == "57P03" || pge.Code == "57P01"
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.DeadlineExceeded)
}

func (c *cluster) unreachable(pm postmaster, err error) error {
	hint := fmt.Sprintf("its log is %s", LogFile(c.dir))
	if errors.Is(err, fs.ErrNotExist) {
		hint = "somebody removed its socket; `platctl db stop`, then start again"
	}
	return fault.Wrap(err, fault.Failed, "the server runs as process %d but can't be reached in %s", pm.pid, pm.socket).
		WithHint("%s", hint)
}
