package child

import (
	"math"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

const niceness = 10 // requests go first

// confine takes from this process what decoding doesn't need, for good, and returns what holds. The limits always do. The
// filter of system calls does where the kernel has one, which takes no privilege and works in containers; namespaces would take
// either.
//
// The memory limit is on the data segment. One on the address space kills a Go program at its start: it reserves far more
// than it uses.
func confine(l Limits) ([]string, error) {
	debug.SetMemoryLimit(l.Memory * 5 / 6) // collect before the limit is met
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	seconds := uint64(math.Ceil(l.CPU.Seconds()))
	for _, r := range []struct {
		what int
		max  unix.Rlimit
	}{
		{unix.RLIMIT_DATA, same(uint64(l.Memory))},
		{unix.RLIMIT_CPU, unix.Rlimit{Cur: seconds, Max: seconds + 2}}, // SIGXCPU, and if that does not help SIGKILL
		{unix.RLIMIT_FSIZE, same(uint64(l.Output))},
		{unix.RLIMIT_NOFILE, same(32)},
		{unix.RLIMIT_CORE, same(0)},
	} {
		if err := unix.Setrlimit(r.what, &r.max); err != nil {
			return nil, err
		}
	}
	confined := []string{"limits"}
	if filterSystemCalls() == nil {
		confined = append(confined, "seccomp")
	}
	return confined, nil
}

func same(n uint64) unix.Rlimit { return unix.Rlimit{Cur: n, Max: n} }
