//go:build unix

package record

import (
	"runtime"
	"syscall"
	"time"
)

// readUsage asks the kernel. getrusage counts microseconds where /proc/self/stat counts hundredths of a second.
func readUsage() usage {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return usage{}
	}
	unit := int64(1024)
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	return usage{cpu: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), maxRSS: int64(ru.Maxrss) * unit}
}
