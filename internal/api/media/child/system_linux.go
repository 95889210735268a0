package child

import "syscall"

// program is what runs now, not what its path names: a deploy may have put another one there.
func program() (string, error) { return "/proc/self/exe", nil }

// attributes make a child the leader of its group, and let it die with the thread that started it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
