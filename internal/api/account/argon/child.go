package argon

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Command is the hidden command that a child runs.
const Command = "hash-worker"

// patience is how long a child may take for one key. It runs at low priority, so on a busy machine that is long.
const patience = 10 * time.Second

// Child computes keys in a process of its own, which is started when the first key is asked for. It belongs to one goroutine.
type Child struct {
	log      *slog.Logger
	program  string
	patience time.Duration
	process  *process // nil: none runs
	failing  bool
}

// NewChild returns a Child that runs this program.
func NewChild(log *slog.Logger) *Child {
	return &Child{log: log, program: self(), patience: patience}
}

// self is the running program, not what a deploy may have put in its place since.
func self() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// Derive computes a key.
func (c *Child) Derive(password, salt []byte, p Params) []byte {
	var err error
	for range 2 { // a child that died since the last time is noticed now
		var key []byte
		if key, err = c.ask(request{password, salt, p}); err == nil {
			c.told(nil)
			return key
		}
		c.Close()
	}
	c.told(err)
	return Here(password, salt, p)
}

// told logs that children fail when it begins, and that they work again.
func (c *Child) told(err error) {
	switch {
	case err != nil && !c.failing:
		c.log.Warn("passwords are hashed in the server's own process: a process for that can't be had", "error", err)
	case err == nil && c.failing:
		c.log.Info("passwords are hashed in a process of their own again")
	}
	c.failing = err != nil
}

func (c *Child) ask(r request) ([]byte, error) {
	if c.process == nil {
		p, err := start(c.program)
		if err != nil {
			return nil, err
		}
		c.process = p
	}
	return c.process.ask(r, time.Now().Add(c.patience))
}

// Close ends the process, if there is one.
func (c *Child) Close() {
	if c.process != nil {
		c.process.end()
		c.process = nil
	}
}

// process is a running child.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *os.File
	dec *json.Decoder
}

func start(program string) (*process, error) {
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, fault.Op("start a process to hash in", err)
	}
	defer theirs.Close()
	cmd := exec.Command(program, Command)
	cmd.Args[0] = "platctl"
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=single"}
	cmd.Dir = "/"
	cmd.Stdout = theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is the server's business
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = out.Close()
		return nil, fault.Op("start a process to hash in", err)
	}
	return &process{cmd: cmd, in: in, out: out, dec: json.NewDecoder(out)}, nil
}

func (p *process) ask(r request, deadline time.Time) ([]byte, error) {
	_ = p.out.SetReadDeadline(deadline)
	var a answer
	err := json.NewEncoder(p.in).Encode(r)
	if err == nil {
		err = p.dec.Decode(&a)
	}
	if err == nil && len(a.Key) != int(r.Params.Key) {
		err = fault.New(fault.Failed, "the answer has %d bytes", len(a.Key))
	}
	return a.Key, fault.Op("hash in a process of its own", err)
}

// end kills it: what it is at, nobody waits for.
func (p *process) end() {
	_ = p.cmd.Process.Kill()
	_ = p.in.Close()
	_ = p.out.Close()
	_ = p.cmd.Wait()
}
