//go:build !linux

package child

import (
	"errors"
	"os"
	"syscall"
)

func program() (string, error) { return os.Executable() }

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func filterSystemCalls() error { return errors.New("this system has no filter of system calls") }
