package perftest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// K6 returns the path of our k6: given, when it is not empty (tests pass the variable PLATCTL_TEST_K6), else built from
// xk6-ext into the user's cache folder. Built once on a machine: Go finds it up to date in about a second after that.
func K6(t testing.TB, given string) string {
	t.Helper()
	if given != "" {
		return given
	}
	ext := filepath.Join(root(t), "xk6-ext")
	dir := cacheDir(t)
	unlock := lock(t, filepath.Join(dir, "lock"))
	defer unlock()
	out := filepath.Join(dir, "k6")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/k6")
	cmd.Dir = ext
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build k6: %v\n%s", err, b)
	}
	return out
}

// root returns the checkout: the folder above the test's that holds xk6-ext.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "xk6-ext", "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no xk6-ext in any folder above the test")
		}
	}
}

// cacheDir is outside the test's temporary folder, so that packages share the binary; one per user.
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

// lock keeps two test packages from building at once.
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
