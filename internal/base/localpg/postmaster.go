package localpg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pidFileName = "postmaster.pid"

// postmaster is what postmaster.pid says. The file's lines are: pid, data directory, start time, port, socket folder,
// listen address, shared memory key, status. While the server starts the last ones are missing.
type postmaster struct {
	pid       int
	startedAt time.Time
	socket    string
	status    string // "", starting, ready, standby or stopping
}

func parsePidFile(text string) (postmaster, bool) {
	lines := strings.Split(text, "\n")
	line := func(i int) string {
		if i < len(lines) {
			return strings.Trim(lines[i], " \t\r") // PostgreSQL pads with blanks; other white space is damage
		}
		return ""
	}
	pid, err := strconv.ParseUint(line(0), 10, 31)
	if err != nil || pid == 0 {
		return postmaster{}, false
	}
	pm := postmaster{pid: int(pid), socket: line(4), status: line(7)}
	if sec, err := strconv.ParseInt(line(2), 10, 64); err == nil && sec > 0 {
		pm.startedAt = time.Unix(sec, 0).UTC()
	}
	return pm, true
}

func (p postmaster) ready() bool { return p.status == "ready" || p.status == "standby" }

// running returns the directory's postmaster when it lives. A stale file, also one whose pid now belongs to somebody
// else, is no postmaster.
func (c *cluster) running() (postmaster, bool) {
	b, err := os.ReadFile(filepath.Join(c.dir, pidFileName))
	if err != nil {
		return postmaster{}, false
	}
	pm, ok := parsePidFile(string(b))
	return pm, ok && isServer(pm.pid, c.dir)
}

// disarm lets a new server pass a stale postmaster.pid whose pid lives again as an unrelated process; PostgreSQL would
// take that process for a server and refuse. The file itself has to stay: its shared memory line is how PostgreSQL
// notices backends that outlived a killed postmaster. So only the pid is replaced, by our own, which PostgreSQL knows
// can't be a server because it is its parent. The socket's lock has no such line and is removed.
func (c *cluster) disarm() error {
	_ = os.Remove(filepath.Join(c.socketDir(), socketName+".lock"))
	path := filepath.Join(c.dir, pidFileName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, ok := parsePidFile(string(b)); !ok {
		return os.Remove(path) // the machine died while it was written
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n" + rest)
	return errors.Join(err, f.Close())
}
