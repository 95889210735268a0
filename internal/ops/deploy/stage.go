package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
)

// bundle is a release directory whose every byte was checked.
type bundle struct {
	dir      string
	manifest *manifest.Manifest
	raw      []byte // the manifest's bytes
	digest   string // SHA-256 of raw
	files    []file
	bytes    int64
}

// file is one file that the manifest names. size is negative where the manifest gives none.
type file struct {
	path   string
	sha256 string
	size   int64
	exec   bool
}

// openBundle reads and checks a release directory: every file the manifest names is there, regular, inside the directory, and
// has the size and digest it should have.
func openBundle(dir string) (*bundle, error) {
	m, raw, err := manifest.ReadDirRaw(dir)
	if err != nil {
		return nil, err
	}
	if !versionText.MatchString(m.Version) {
		return nil, fault.New(fault.Invalid, "version %.80q of the manifest can't be part of a file name", m.Version)
	}
	sum := sha256.Sum256(raw)
	b := &bundle{dir: dir, manifest: m, raw: raw, digest: hex.EncodeToString(sum[:]), files: filesOf(m)}
	if !b.names(m.Start.Command[0]) {
		return nil, fault.New(fault.Invalid, "the manifest starts %s and gives no digest for it", m.Start.Command[0]).
			WithHint("list it under artifacts")
	}
	if err := b.each(func(f file, src io.Reader) error {
		n, err := copyChecked(io.Discard, src, f)
		b.bytes += n
		return err
	}); err != nil {
		return nil, err
	}
	return b, nil
}

func filesOf(m *manifest.Manifest) []file {
	var out []file
	for _, a := range m.Artifacts {
		out = append(out, file{path: a.Path, sha256: a.SHA256, size: a.Size, exec: a.Kind == "binary" || a.Path == m.Start.Command[0]})
	}
	for _, d := range []*manifest.Digest{m.SBOM, m.Provenance} {
		if d != nil {
			out = append(out, file{path: d.Path, sha256: d.SHA256, size: -1})
		}
	}
	if m.Contract != nil {
		out = append(out, file{path: m.Contract.Path, sha256: m.Contract.SHA256, size: -1})
	}
	return out
}

func (b *bundle) names(path string) bool {
	for _, f := range b.files {
		if filepath.Clean(f.path) == filepath.Clean(path) {
			return true
		}
	}
	return false
}

// each calls do with every file of the release. A link that leaves the directory can't be opened.
func (b *bundle) each(do func(f file, src io.Reader) error) error {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return fault.Wrap(err, fault.NotFound, "%s can't be opened", b.dir)
	}
	defer root.Close()
	for _, f := range b.files {
		if err := withFile(root, f, do); err != nil {
			return err
		}
	}
	return nil
}

func withFile(root *os.Root, f file, do func(f file, src io.Reader) error) error {
	src, err := root.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe in its place must not block
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the release lacks %s", f.path).WithHint("it is half written; build it again")
	}
	defer src.Close()
	if st, err := src.Stat(); err != nil || !st.Mode().IsRegular() {
		return fault.New(fault.Invalid, "%s is not a regular file", f.path)
	}
	return do(f, src)
}

// copyChecked copies src to dst and compares what went through with what the manifest says.
func copyChecked(dst io.Writer, src io.Reader, f file) (int64, error) {
	sum := sha256.New()
	if f.size >= 0 {
		src = io.LimitReader(src, f.size+1) // a grown file is found out without reading to its end
	}
	n, err := io.Copy(io.MultiWriter(dst, sum), src)
	if err != nil {
		return n, fault.Wrap(err, fault.Failed, "%s can't be copied", f.path)
	}
	if f.size >= 0 && n != f.size {
		has := fmt.Sprintf("has %d bytes", n)
		if n > f.size {
			has = "is longer"
		}
		return n, fault.New(fault.Invalid, "%s %s; the manifest says %d bytes", f.path, has, f.size).
			WithCode("wrong_size").WithHint("it is half written or was changed; build it again")
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, f.sha256) {
		return n, fault.New(fault.Invalid, "%s has digest %.12s; the manifest says %.12s", f.path, got, f.sha256).
			WithCode("wrong_digest").WithHint("it was changed after it was built; build it again")
	}
	return n, nil
}

const stagePrefix = ".stage-"

// stage copies the release to releases/<id>. The directory appears whole, under its name, or not at all.
func (h *Host) stage(b *bundle, id string, token uint64) error {
	tmp := filepath.Join(h.path("releases"), fmt.Sprintf("%s%d", stagePrefix, token))
	if err := os.MkdirAll(tmp, 0o750); err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be made", tmp)
	}
	err := b.copyTo(tmp)
	if err == nil {
		err = os.Rename(tmp, h.releaseDir(id))
	}
	if err == nil {
		err = durable.SyncDir(h.path("releases"))
	}
	if err != nil {
		_ = os.RemoveAll(tmp)
		var f *fault.Error
		if !errors.As(err, &f) {
			return fault.Wrap(err, fault.Failed, "the release can't be staged")
		}
	}
	return err
}

func (b *bundle) copyTo(dir string) error {
	dirs := map[string]bool{dir: true}
	err := b.each(func(f file, src io.Reader) error {
		to := filepath.Join(dir, f.path)
		for d := filepath.Dir(to); !dirs[d] && len(d) > len(dir); d = filepath.Dir(d) {
			dirs[d] = true
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			return fault.Wrap(err, fault.Failed, "%s can't be made", filepath.Dir(to))
		}
		return copyFile(to, src, f)
	})
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, manifest.FileName), b.raw, 0o640); err != nil {
		return fault.Wrap(err, fault.Failed, "the manifest can't be staged")
	}
	for d := range dirs {
		if err := durable.SyncDir(d); err != nil {
			return fault.Wrap(err, fault.Failed, "the release can't be staged")
		}
	}
	return nil
}

func copyFile(to string, src io.Reader, f file) error {
	mode := fs.FileMode(0o640)
	if f.exec {
		mode = 0o750
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be staged", f.path)
	}
	_, err = copyChecked(dst, src, f)
	if err == nil {
		err = dst.Sync()
	}
	return errors.Join(err, dst.Close())
}

// enoughSpace refuses a release that would fill the disk: it needs its size, and as much again for logs and the next one.
func (h *Host) enoughSpace(need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(h.dir, &st); err != nil {
		return nil // a file system that does not tell is not a full one
	}
	if free := int64(st.Bavail) * st.Bsize; free < 2*need {
		return fault.New(fault.Failed, "%s has %d MB free; staging %d MB needs twice that", h.dir, free>>20, need>>20).
			WithHint("remove directories of old releases under %s, but none that `platctl status` names", h.path("releases"))
	}
	return nil
}

// dropHalfStaged removes what killed deploys left. Call it under the lock.
func (h *Host) dropHalfStaged() int {
	left, _ := filepath.Glob(filepath.Join(h.path("releases"), stagePrefix+"*"))
	for _, d := range left {
		_ = os.RemoveAll(d)
	}
	return len(left)
}
