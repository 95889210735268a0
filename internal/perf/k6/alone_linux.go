package k6

import "syscall"

// alone keeps the terminal's Ctrl-C away from k6 (platctl passes it on, once: k6 takes a second one as "stop without
// finishing") and ends k6 when platctl is killed, so that no load goes on without anyone watching.
func alone() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
