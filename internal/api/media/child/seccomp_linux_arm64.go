package child

import "golang.org/x/sys/unix"

func auditArch() uint32 { return unix.AUDIT_ARCH_AARCH64 }

func legacyCalls() []uint32 { return []uint32{unix.SYS_ACCEPT} }
