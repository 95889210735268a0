package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/platctl/platctl/internal/base/fault"
)

// workPrefix starts the name of a folder in which a release is being built. Its process id follows, so that what a
// killed build left behind can be told from a running one.
const workPrefix = ".build-"

var workDir = regexp.MustCompile(`^\.build-(\d+)-`)

// newWorkDir makes a folder to build in, on the file system the release will be on, and removes those of dead builds.
func newWorkDir(dist string) (string, error) {
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return "", fault.Wrap(err, fault.Failed, "the folder for releases can't be made")
	}
	entries, err := os.ReadDir(dist)
	if err != nil {
		return "", fault.Wrap(err, fault.Failed, "the folder for releases can't be read")
	}
	for _, e := range entries {
		if m := workDir.FindStringSubmatch(e.Name()); m != nil && dead(m[1]) {
			_ = os.RemoveAll(filepath.Join(dist, e.Name()))
		}
	}
	dir, err := os.MkdirTemp(dist, workPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fault.Wrap(err, fault.Failed, "no folder to build in")
	}
	return dir, os.Chmod(dir, 0o755)
}

func dead(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}

// publish makes the finished work folder visible as final, in one step.
func publish(work, final string, replace bool) (State, error) {
	if err := syncTree(work); err != nil {
		return "", fault.Wrap(err, fault.Failed, "the release can't be written to disk; nothing was published")
	}
	err := os.Rename(work, final)
	if err == nil {
		return Built, syncDir(filepath.Dir(final))
	}
	if !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", fault.Wrap(err, fault.Failed, "the release can't be moved to %s; nothing was published", final)
	}
	differ, err := differences(work, final)
	switch {
	case err != nil:
		return "", fault.Wrap(err, fault.Failed, "%s can't be compared with the new build", final)
	case len(differ) == 0:
		return AlreadyBuilt, nil
	case !replace:
		return "", fault.New(fault.Refused, "%s exists and differs in %s; it was not touched", final, strings.Join(differ, ", ")).
			WithHint("give this build another version, or throw that release away with --replace")
	}
	if err := swap(work, final); err != nil {
		return "", fault.Wrap(err, fault.Failed, "%s can't be replaced; it was not touched", final)
	}
	return Replaced, syncDir(filepath.Dir(final))
}

// differences lists the paths whose content is not the same on both sides.
func differences(a, b string) ([]string, error) {
	left, err := digests(a)
	if err != nil {
		return nil, err
	}
	right, err := digests(b)
	if err != nil {
		return nil, err
	}
	var out []string
	for p, sum := range left {
		if right[p] != sum {
			out = append(out, p)
		}
		delete(right, p)
	}
	for p := range right {
		out = append(out, p)
	}
	slices.Sort(out)
	return out, nil
}

// digests returns the SHA-256 of every file below dir; anything but a regular file counts as different from everything.
func digests(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			out[rel] = dir + " " + d.Type().String()
			return nil
		}
		out[rel], _, err = fileDigest(p)
		return err
	})
	return out, err
}

// fileDigest returns the SHA-256 in hex and the size of a file.
func fileDigest(file string) (string, int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// syncTree makes everything below dir survive a power cut.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(p)
	})
}

// syncDir syncs one file or folder.
func syncDir(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
