//go:build linux && !amd64 && !arm64

package child

func auditArch() uint32 { return 0 }

func legacyCalls() []uint32 { return nil }
