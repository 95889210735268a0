// Package golden compares what a test got with a file that is kept beside it. Only tests import it.
//
// Invariants: a comparison never writes; with update it writes and never fails, so `go test PACKAGE -update` is how a
// change that was meant is accepted, and the difference is then read in the commit.
package golden

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Check compares got with the file, or writes the file when update is set.
func Check(t testing.TB, file string, got []byte, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; `go test -update` writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from line %d on; `go test -update` accepts the change\n--- got\n%s\n--- want\n%s",
			file, firstDifference(got, want), got, want)
	}
}

func firstDifference(a, b []byte) int {
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line++
		}
	}
	return line
}
