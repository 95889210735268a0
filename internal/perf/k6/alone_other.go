//go:build unix && !linux

package k6

import "syscall"

// alone keeps the terminal's Ctrl-C away from k6; platctl passes it on, once: k6 takes a second one as "stop without
// finishing".
func alone() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
