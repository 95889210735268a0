// Package durable writes files that survive a power cut: after WriteFile returns, the path holds either the old bytes or
// the new ones, whole, and a crash at any point leaves no third state. It reads such files back without trusting them.
//
// Invariants: one writer per path at a time (callers hold a lock); the temporary file has a fixed name beside the target,
// so a crash leaves at most one and the next write takes it over; reading takes bounded time and memory, whatever lies
// at the path.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile replaces path with data: temporary file, fsync, rename, fsync of the directory.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, func(*os.File) error { return nil })
}

// Replace does the same to a file that exists, and gives the new one its owner, group and mode: who could read it can read it
// still, also when root replaces the file of somebody else. It fails where that can't be.
func Replace(path string, data []byte) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	return write(path, data, 0o600, func(f *os.File) error {
		mine, err := f.Stat()
		if err != nil {
			return err
		}
		uid, gid, known := owner(st)
		if myUID, myGID, _ := owner(mine); known && (uid != myUID || gid != myGID) {
			if err := f.Chown(uid, gid); err != nil {
				return err
			}
		}
		return f.Chmod(st.Mode().Perm())
	})
}

func owner(st fs.FileInfo) (uid, gid int, known bool) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(sys.Uid), int(sys.Gid), true
}

// write calls prepare on the temporary file while that is empty.
func write(path string, data []byte, perm fs.FileMode, prepare func(*os.File) error) error {
	tmp := path + ".tmp"
	if err := writeSynced(tmp, data, perm, prepare); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// ReadFile returns the content of the regular file at path if it has at most limit bytes. A pipe or a device in its place
// is an error at once: opening one could wait for ever.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("longer than %d bytes", limit)}
	}
	return data, err
}

// KeepPrevious makes path's present content reachable as path+".prev". It is a hard link, so it costs no space and works
// on a full disk as long as the directory can take an entry. A path that does not exist is not an error.
func KeepPrevious(path string) error {
	prev := Previous(path)
	if err := os.Remove(prev); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(path, prev); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Previous names the copy that KeepPrevious makes.
func Previous(path string) string { return path + ".prev" }

// SyncDir makes the entries of dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// StorageFull says whether err means that the disk takes no bytes: full, over quota, read-only or broken.
func StorageFull(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func writeSynced(path string, data []byte, perm fs.FileMode, prepare func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, perm)
	if err != nil {
		return err
	}
	if err = prepare(f); err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
