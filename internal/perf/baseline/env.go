package baseline

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
)

// ReadEnv describes the machine whose root file system is root. What it can't read stays empty.
func ReadEnv(root fs.FS) Env {
	e := Env{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	e.Kernel = firstLine(root, "proc/sys/kernel/osrelease")
	e.CPUModel = field(root, "proc/cpuinfo", "model name")
	e.CgroupCPU = firstLine(root, "sys/fs/cgroup/cpu.max")
	if kb, _, ok := strings.Cut(field(root, "proc/meminfo", "MemTotal"), " "); ok {
		n, _ := strconv.ParseInt(kb, 10, 64)
		e.MemoryBytes = n * 1024
	}
	if id := firstLine(root, "etc/machine-id"); id != "" {
		sum := sha256.Sum256([]byte("platctl.perf host " + id))
		e.Host = hex.EncodeToString(sum[:8])
	}
	return e
}

func firstLine(root fs.FS, path string) string {
	b, _ := fs.ReadFile(root, path)
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// field returns the value of the first line "key : value".
func field(root fs.FS, path, key string) string {
	b, _ := fs.ReadFile(root, path)
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
