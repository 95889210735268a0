package deploy

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/ops/ledger"
	"github.com/platctl/platctl/internal/ops/process"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The lock file and the process record are read by the release before and the one after: their bytes are pinned, and
// neighbouring versions with fields nobody knows yet are read.
func TestFilesGolden(t *testing.T) {
	t.Parallel()
	h, err := New(hostOptions(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.releaseDir("1-1.0.0"), 0o700); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	id := process.ID{PID: 4711, Start: 123456, Boot: "5b0f"}
	lock := LockDoc{Token: 7, Owner: ledger.Actor{User: "ana", Host: "web1", PID: 4711}, Process: id, Command: "deploy", Acquired: at, Heartbeat: at}
	rec := procRecord{Process: id, Socket: "/run/p/r1.sock", Control: "/run/p/r1.ctl", Started: at}
	lockPath, recPath := h.path("deploy.lock"), filepath.Join(h.releaseDir("1-1.0.0"), "process.json")
	files := []struct {
		golden, path string
		write        func() error
		read         func() any
		want         func() any
	}{
		{"lock.v1.json", lockPath, func() error { return h.writeLock(lock) }, func() any { d := h.readLock(); d.Schema = ""; return d }, func() any { return lock }},
		{"process.v1.json", recPath, func() error { return h.writeRecord("1-1.0.0", rec) }, func() any {
			r := h.readRecord("1-1.0.0")
			if r == nil {
				return nil
			}
			r.Schema = ""
			return *r
		}, func() any { return rec }},
	}
	for _, f := range files {
		if err := f.write(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", f.golden)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(got) != string(want) {
			t.Fatalf("wrote\n%s\nthe format is\n%s (%v)", got, want, err)
		}
		for v, readable := range map[string]bool{"/v0": true, "/v1": true, "/v2": true, "/v3": false} {
			text := strings.Replace(string(want), "/v1", v, 1)
			text = strings.Replace(text, "{", `{"of_the_future":{"x":[1]},`, 1)
			if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if same := reflect.DeepEqual(f.read(), f.want()); same != readable {
				t.Errorf("%s%s: read as written is %t, want %t: %+v", f.golden, v, same, readable, f.read())
			}
		}
	}
}
