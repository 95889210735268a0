package localpg

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/platctl/platctl/internal/base/fault"
)

// account is the user the server runs as.
type account struct {
	name     string
	uid, gid int
	become   bool // we are root and have to change to it
}

// accountFor returns the owner of an existing directory; for a new one ourselves, or as root postgres, else nobody.
func accountFor(dir string) (account, error) {
	self := os.Geteuid()
	owner := -1
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return account{}, fault.New(fault.Config, "%s is not a directory", dir)
		}
		owner = ownerOf(info)
	}
	if self != 0 {
		if owner >= 0 && owner != self {
			return account{}, fault.New(fault.Config, "%s belongs to %s, and PostgreSQL insists on its owner", dir, userName(owner)).
				WithHint("run platctl as %s, or set localpg.dir to a directory of yours", userName(owner))
		}
		return account{name: userName(self), uid: self, gid: os.Getegid()}, nil
	}
	if owner > 0 {
		return lookup(strconv.Itoa(owner), user.LookupId)
	}
	if isDir(filepath.Join(dir, "base")) {
		return account{}, fault.New(fault.Config, "%s belongs to root, and PostgreSQL refuses to run as root", dir).
			WithHint("chown -R postgres %s, or set localpg.dir to a new directory", dir)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if a, err := lookup(name, user.Lookup); err == nil {
			return a, nil
		}
	}
	return account{}, fault.New(fault.Config, "root may not run PostgreSQL, and there is no user postgres or nobody to run it").
		WithHint("run platctl as an ordinary user, or add the user postgres")
}

func lookup(key string, by func(string) (*user.User, error)) (account, error) {
	u, err := by(key)
	if err != nil {
		return account{}, fault.Wrap(err, fault.Config, "user %s is unknown", key)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return account{name: u.Username, uid: uid, gid: gid, become: true}, errors.Join(err1, err2)
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.become {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// command prepares a program that runs as the account, in dir, with a small environment of its own: settings of the
// caller's PG* variables must not reach the server.
func (a account) command(dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if a.become {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return cmd
}

// explain says why cmd could not be started; the usual reason is a folder that the account may not pass.
func (a account) explain(err error, cmd *exec.Cmd) error {
	if errors.Is(err, fs.ErrPermission) && a.become {
		for _, path := range []string{cmd.Dir, filepath.Dir(cmd.Path)} {
			if at := a.blockedAt(path); at != "" {
				return fault.Wrap(err, fault.Config, "%s, who runs PostgreSQL for root, may not enter %s", a.name, at).
					WithHint("chmod o+x %s, or set localpg.dir to a place that %s can reach", at, a.name)
			}
		}
		return fault.Wrap(err, fault.Config, "%s can't be run as %s", cmd.Path, a.name).
			WithHint("run platctl as an ordinary user; some containers don't let root change its user")
	}
	return fault.Wrap(err, fault.Failed, "%s can't be run", cmd.Path)
}

// blockedAt returns the first folder on the way to path whose mode keeps the account out.
func (a account) blockedAt(path string) string {
	at := "/"
	for _, part := range append([]string{""}, strings.Split(strings.Trim(path, "/"), "/")...) {
		at = filepath.Join(at, part)
		info, err := os.Stat(at)
		if err != nil {
			return at
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return ""
		}
		bit := fs.FileMode(0o001)
		switch {
		case int(st.Uid) == a.uid:
			bit = 0o100
		case int(st.Gid) == a.gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return at
		}
	}
	return ""
}
