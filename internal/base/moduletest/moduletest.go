// Package moduletest builds programs of the checkout's other modules for tests: k6, an S3 service. Only tests import it.
//
// Invariants: a program is built once on a machine and user, into the user's cache folder; Go finds it up to date in about a second after
// that. Two test packages never build the same one at once.
package moduletest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Build returns the path of a program: given, when it is not empty, else name, built from the package pkg of the module in a folder of
// the checkout.
func Build(t testing.TB, given, name, module, pkg string) string {
	t.Helper()
	if given != "" {
		return given
	}
	dir := cacheDir(t)
	defer lock(t, filepath.Join(dir, name+".lock"))()
	out := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = above(t, module)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, b)
	}
	return out
}

// above returns the folder of a module, in the checkout that holds the test.
func above(t testing.TB, module string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		found := filepath.Join(dir, filepath.FromSlash(module))
		if _, err := os.Stat(filepath.Join(found, "go.mod")); err == nil {
			return found
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("there is no %s in any folder above the test", module)
		}
	}
}

// cacheDir is outside the test's temporary folder, so that packages share the programs; one per user.
func cacheDir(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), "platctl-test-"+strconv.Itoa(os.Getuid()))
	}
	dir := filepath.Join(base, "platctl-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func lock(t testing.TB, path string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
