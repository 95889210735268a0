// Package build tells which platctl this is: version, commit and time of the sources, and the Go that compiled them.
//
// Version is stamped by the linker (-X); the rest comes from the build information that Go itself records, so an
// unstamped `go build` still answers truthfully ("devel").
package build

import (
	"runtime"
	"runtime/debug"
)

// Version is set by the linker: -X github.com/platctl/platctl/internal/base/build.Version=1.2.3.
var Version = ""

// Commit and Date are set by the linker where the build runs without version-control stamping.
var (
	Commit = ""
	Date   = ""
)

// Info describes the running binary.
type Info struct {
	Version string `json:"version"`          // semantic version without "v", or "devel"
	Commit  string `json:"commit,omitempty"` // full git revision
	Dirty   bool   `json:"dirty,omitempty"`  // the work tree had changes
	Date    string `json:"date,omitempty"`   // commit time, RFC 3339
	Go      string `json:"go"`               // compiler, for example go1.26.8
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Read returns what the linker and the Go build information say about this binary.
func Read() Info {
	i := Info{Version: Version, Commit: Commit, Date: Date, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if i.Version == "" {
		i.Version = "devel"
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		i.addVCS(bi.Settings)
	}
	return i
}

func (i *Info) addVCS(settings []debug.BuildSetting) {
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision" && i.Commit == "":
			i.Commit = s.Value
		case s.Key == "vcs.time" && i.Date == "":
			i.Date = s.Value
		case s.Key == "vcs.modified":
			i.Dirty = s.Value == "true"
		}
	}
}
