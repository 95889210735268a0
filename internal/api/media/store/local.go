package store

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
)

// Local keeps objects in a folder: <dir>/<area>/ab/cd/<name>, so no folder has many entries.
type Local struct{ dir string }

const (
	tmpDir  = "tmp"
	tmpLife = 24 * time.Hour // a write that takes longer was cut off
)

// NewLocal returns the store in dir, which is made when it is not there.
func NewLocal(dir string) (*Local, error) {
	l := &Local{dir: dir}
	for _, sub := range []string{Staging, Public, tmpDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			return nil, fault.Wrap(err, fault.Config, "the folder for pictures can't be made").WithHint("set media.dir to a folder you can write to")
		}
	}
	return l, fault.Op("make the folder for pictures", durable.SyncDir(dir))
}

// path returns where a key lies.
func (l *Local) path(key string) (string, error) {
	area, base, err := checkKey(key)
	if err != nil {
		return "", err
	}
	return filepath.Join(l.dir, area, base[:2], base[2:4], base), nil
}

// Put implements Store: temporary file, fsync, rename, fsync of the folder.
func (l *Local) Put(_ context.Context, key string, src io.ReaderAt, size int64) error {
	path, err := l.path(key)
	if err != nil {
		return err
	}
	tmp := filepath.Join(l.dir, tmpDir, rand.Text())
	err = writeSynced(tmp, io.NewSectionReader(src, 0, size), size)
	if err == nil {
		err = l.publish(tmp, path)
	}
	if err == nil {
		return nil
	}
	_ = os.Remove(tmp)
	if durable.StorageFull(err) {
		return refused(err, "the store of pictures has no room")
	}
	return refused(err, "the store of pictures took no bytes")
}

// publish gives a written file its name, and makes the name durable, with those of the folders that are new.
func (l *Local) publish(tmp, path string) error {
	shard := filepath.Dir(path)
	err := os.Rename(tmp, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(shard, 0o750); err != nil {
			return err
		}
		for _, dir := range []string{filepath.Dir(shard), filepath.Dir(filepath.Dir(shard))} {
			if err := durable.SyncDir(dir); err != nil {
				return err
			}
		}
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(shard)
}

func writeSynced(path string, src io.Reader, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, src)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Fetch implements Store.
func (l *Local) Fetch(_ context.Context, key string, dst io.Writer) error {
	path, err := l.path(key)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return absent(err)
	}
	if err != nil {
		return unreachable(err)
	}
	defer f.Close()
	_, err = io.Copy(dst, f)
	return fault.Op("read an object", err)
}

// Delete implements Store.
func (l *Local) Delete(_ context.Context, key string) error {
	path, err := l.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreachable(err)
	}
	return nil
}

// List implements Store. Temporary files that a crash left behind are removed on the way.
func (l *Local) List(ctx context.Context, area string, each func(Object) error) error {
	l.sweep()
	return filepath.WalkDir(filepath.Join(l.dir, area), func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // removed since it was seen
			return nil
		case err != nil:
			return unreachable(err)
		case d.IsDir():
			return nil
		}
		key := area + d.Name()
		if at, err := l.path(key); err != nil || at != path {
			return nil // none of ours: left alone
		}
		st, err := d.Info()
		if err != nil {
			return nil // removed in this moment
		}
		return each(Object{Key: key, Size: st.Size(), Modified: st.ModTime()})
	})
}

func (l *Local) sweep() {
	entries, _ := os.ReadDir(filepath.Join(l.dir, tmpDir))
	for _, e := range entries {
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > tmpLife {
			_ = os.Remove(filepath.Join(l.dir, tmpDir, e.Name()))
		}
	}
}

// Serve answers with an object of the public area, and says whether there is one: otherwise nothing is written. A name is a
// capability that nobody can guess, and what it names never changes. The policy keeps whatever a picture pretends to be from running.
func (l *Local) Serve(w http.ResponseWriter, r *http.Request, name string) bool {
	path, err := l.path(Public + name)
	if err != nil {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", cacheControl)
	h.Set("Content-Disposition", `inline; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+name+`"`)
	http.ServeContent(w, r, "", st.ModTime(), f)
	return true
}

// How everything in the public area is served, here and by a bucket.
const (
	contentType  = "image/webp"
	cacheControl = "public, max-age=31536000, immutable"
)
