package sbom

import (
	"debug/buildinfo"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
)

// Facts is what a binary does not know about itself.
type Facts struct {
	Version string    // of the main component; empty: what the binary recorded, if anything
	Time    time.Time // of the document; zero: the commit time in the binary, else no time at all
}

// Target is one Go binary to describe.
type Target struct {
	Path  string
	Facts Facts
}

// Find returns the binary that path means: path itself, or the binary that the release directory at path starts, with
// the release's version and commit time. epoch, where it is not zero, is the time of the document instead
// (SOURCE_DATE_EPOCH).
func Find(path string, epoch time.Time) (Target, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Target{}, fault.New(fault.NotFound, "%s does not exist", path).
			WithHint("name a Go binary or a release directory; container images and package lists are not covered")
	}
	if err != nil {
		return Target{}, fault.Wrap(err, fault.Failed, "%s can't be read", path)
	}
	t := Target{Path: path, Facts: Facts{Time: epoch}}
	if info.IsDir() {
		if t, err = inRelease(path, epoch); err != nil {
			return Target{}, err
		}
	} else if !info.Mode().IsRegular() {
		return Target{}, notCovered(path, "it is not a regular file")
	}
	return t, checkGo(t.Path)
}

func inRelease(dir string, epoch time.Time) (Target, error) {
	m, err := manifest.ReadDir(dir)
	if errors.Is(err, fault.NotFound) {
		return Target{}, notCovered(dir, "this directory has no "+manifest.FileName+", so it is no release")
	}
	if err != nil {
		return Target{}, err
	}
	t := Target{Path: filepath.Join(dir, m.Start.Command[0]), Facts: Facts{Version: m.Version, Time: epoch}}
	if epoch.IsZero() && m.Git.Time != "" {
		if t.Facts.Time, err = time.Parse(time.RFC3339, m.Git.Time); err != nil {
			return Target{}, fault.Wrap(err, fault.Invalid, "manifest of %s: commit time", dir)
		}
	}
	return t, nil
}

func checkGo(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be read", path)
	}
	defer f.Close()
	if _, err := buildinfo.Read(f); err != nil {
		head := make([]byte, 8)
		n, _ := io.ReadFull(f, head)
		return notCovered(path, kindOf(head[:n]))
	}
	return nil
}

// kindOf says in words what a file is that has no Go build information.
func kindOf(head []byte) string {
	for magic, kind := range map[string]string{
		"\x7fELF": "it is a program without Go build information", "#!": "it is a script", "\x1f\x8b": "it is a gzip archive",
		"PK": "it is a zip archive", "MZ": "it is a Windows program without Go build information",
		"\xcf\xfa\xed\xfe": "it is a macOS program without Go build information",
		"\xca\xfe\xba\xbe": "it is a universal macOS program or Java bytecode",
	} {
		if len(head) >= len(magic) && string(head[:len(magic)]) == magic {
			return kind
		}
	}
	if len(head) == 0 {
		return "it is empty"
	}
	return "it is no program"
}

func notCovered(path, why string) error {
	return fault.New(fault.Unsupported, "%s is not covered: %s", path, why).
		WithHint("name a Go binary or a release directory that `platctl release build` made")
}
