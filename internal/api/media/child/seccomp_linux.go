package child

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are the system calls by which a process reaches anything beyond its memory and its open files. It is a list of what is
// refused and not of what is allowed, because the second changes with every version of Go's runtime.
func refused() []uint32 {
	return append(legacyCalls(),
		// other machines and other processes
		unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT4, unix.SYS_SENDTO,
		unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV,
		unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_SHMGET, unix.SYS_MSGGET, unix.SYS_SEMGET,
		// other programs
		unix.SYS_EXECVE, unix.SYS_EXECVEAT,
		// files
		unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_TRUNCATE, unix.SYS_FCHMODAT, unix.SYS_FCHOWNAT,
		unix.SYS_UTIMENSAT, unix.SYS_CHDIR, unix.SYS_FCHDIR, unix.SYS_CHROOT, unix.SYS_MEMFD_CREATE, unix.SYS_INOTIFY_INIT1, unix.SYS_FANOTIFY_INIT,
		// the kernel, and the way out of this list
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_IO_URING_SETUP,
		unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_KEXEC_LOAD,
		unix.SYS_SETRLIMIT, unix.SYS_PRLIMIT64, unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_CAPSET,
	)
}

// The layout of struct seccomp_data: number, architecture, instruction pointer, arguments.
const (
	offNumber   = 0
	offArch     = 4
	offArgument = 16 // the low half of the first one; our architectures are little-endian
	x32Bit      = 0x40000000
)

// filterSystemCalls makes the calls of refused fail with EPERM in every thread, from now on. A thread may be started, a process
// not; a signal may be sent to this process, which Go does to take turns, and to no other.
func filterSystemCalls() error {
	arch := auditArch()
	if arch == 0 {
		return errors.New("no filter for this architecture")
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	ret := func(v uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v} }
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	const (
		refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		absent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	)
	prog := []unix.SockFilter{
		load(offArch), jump(unix.BPF_JEQ, arch, 1, 0), ret(refuse),
		load(offNumber), jump(unix.BPF_JGE, x32Bit, 0, 1), ret(refuse),
	}
	for _, nr := range refused() {
		prog = append(prog, jump(unix.BPF_JEQ, nr, 0, 1), ret(refuse))
	}
	prog = append(prog,
		jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), ret(absent), // its flags are in memory, where no filter sees; a C library falls back to clone
		jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 4), load(offArgument), jump(unix.BPF_JSET, unix.CLONE_THREAD, 0, 1), ret(unix.SECCOMP_RET_ALLOW), ret(refuse),
		jump(unix.BPF_JEQ, unix.SYS_TGKILL, 0, 3), load(offArgument), jump(unix.BPF_JEQ, uint32(os.Getpid()), 1, 0), ret(refuse),
		ret(unix.SECCOMP_RET_ALLOW),
	)
	runtime.LockOSThread() // the promise is the thread's until the filter spreads it
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&p)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return errors.New("a thread can't be confined")
	}
	return nil
}
