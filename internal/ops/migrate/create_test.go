package migrate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// A new migration is named and marked like those that are there, and can be read.
func TestCreate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct{ there, want map[string]string }{
		"empty":          {nil, map[string]string{"0001_add_x.sql": "-- +goose Up\n-- platctl: phase expand\n"}},
		"goose":          {map[string]string{"00009_a.sql": up, "notes.txt": ""}, map[string]string{"00010_add_x.sql": "-- +goose Down"}},
		"time":           {map[string]string{"20261101120000_a.sql": up}, map[string]string{"20261122150405_add_x.sql": "-- +goose Up"}},
		"future":         {map[string]string{"20271101120000_a.sql": up}, map[string]string{"20271101120001_add_x.sql": "-- +goose Up"}},
		"dbmate":         {map[string]string{"1_a.sql": "-- migrate:up\n"}, map[string]string{"2_add_x.sql": "-- migrate:down"}},
		"golang-migrate": {map[string]string{"000001_a.up.sql": "select 1;"}, map[string]string{"000002_add_x.up.sql": "phase expand", "000002_add_x.down.sql": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tc.there {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			files, err := Create(dir, "add_x", "expand", now)
			if err != nil || len(files) != len(tc.want) {
				t.Fatalf("%v, %v", files, err)
			}
			for file, has := range tc.want {
				text, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil || !strings.Contains(string(text), has) || !slices.Contains(files, filepath.Join(dir, file)) {
					t.Errorf("%s: %q, %v; want %q in it", file, text, err, has)
				}
			}
			if m, err := New(os.DirFS(dir), Options{}); err != nil || m.all[len(m.all)-1].Name != "add_x" || m.all[len(m.all)-1].Phase != "expand" {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	dir := t.TempDir()
	for _, bad := range []string{"", "Add", "../x", "a b", strings.Repeat("x", 101)} {
		if _, err := Create(dir, bad, "expand", now); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := Create(dir, "x", "later", now); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	_, err := Create(filepath.Join(dir, "none"), "x", "expand", now)
	wantFault(t, err, fault.Config, "can't be read")
}
