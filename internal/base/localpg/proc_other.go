//go:build unix && !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// isServer says whether pid is a PostgreSQL process. Without /proc its directory can't be told; taking another server
// for ours is the safe mistake, because then nothing is started or removed.
func isServer(pid int, _ string) bool {
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasSuffix(strings.TrimSpace(string(out)), "postgres")
}

func serverProcesses(string) []int { return nil }

func dieWithParent(*syscall.SysProcAttr) {}
