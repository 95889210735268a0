package summary

import (
	"runtime/debug"
	"strings"
)

// K6Version returns the version of k6 that is compiled in, without "v"; "unknown" where Go recorded none.
func K6Version() string {
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, d := range bi.Deps {
			if d.Path == "go.k6.io/k6/v2" {
				return strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return "unknown"
}
