package durable

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWriteFileReplacesAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for _, want := range []string{"one", "two"} {
		if err := KeepPrevious(path); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	if got, err := os.ReadFile(Previous(path)); err != nil || string(got) != "one" {
		t.Fatalf("previous is %q, %v", got, err)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Fatalf("temporary file is still there: %v", err)
	}
}

func TestWriteFileKeepsTheOldBytesWhenItFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil { // the temporary name is taken by something that can't be written
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new"), 0o600); err == nil {
		t.Fatal("wrote through a directory")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Fatalf("read %q, %v; want the old bytes", got, err)
	}
}

// Who could read the file can read it still: mode and group stay, and as root the owner too.
func TestReplaceKeepsOwnerAndMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := Replace(path, []byte("new")); !os.IsNotExist(err) {
		t.Fatalf("replaced nothing: %v", err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	wasUID, wasGID, _ := owner(before)
	uid, gid, _ := owner(after)
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" || after.Mode() != before.Mode() || uid != wasUID || gid != wasGID {
		t.Errorf("%q, %v: %v of %d:%d, was %v of %d:%d", got, err, after.Mode(), uid, gid, before.Mode(), wasUID, wasGID)
	}
}

func TestReadFileIsBoundedAndNeverWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "f"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(path, 5); err != nil || string(got) != "12345" {
		t.Errorf("at the limit: %q, %v", got, err)
	}
	for file, want := range map[string]string{path: "longer than 4 bytes", pipe: "not a regular file", dir: "not a regular file"} {
		if got, err := ReadFile(file, 4); err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%s: %q, %v; want %q", file, got, err, want)
		}
	}
	if _, err := ReadFile(path+".none", 4); !os.IsNotExist(err) {
		t.Errorf("a file that does not exist: %v", err)
	}
}

// Every write follows a rename, so a full disk or a power cut is told from a mistake by the kind of the error.
func TestStorageFull(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EROFS: true, syscall.EIO: true, syscall.EACCES: false, nil: false,
	} {
		if err != nil {
			err = &os.PathError{Op: "write", Path: "f", Err: err}
		}
		if StorageFull(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
}

// A link that somebody laid under the temporary name must not lead the bytes elsewhere.
func TestWriteFileFollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "f"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, path+".tmp"); err != nil {
		t.Fatal(err)
	}
	_ = WriteFile(path, []byte("new"), 0o600)
	if got, err := os.ReadFile(other); err != nil || string(got) != "mine" {
		t.Errorf("the target of the link holds %q, %v", got, err)
	}
}
