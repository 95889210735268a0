package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/settings"
)

// Every file in configs/ is one that platctl reads without complaint.
func TestConfigsLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no configs", err)
	}
	for _, f := range files {
		s, err := settings.Load(settings.Source{File: f})
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if name := strings.TrimSuffix(filepath.Base(f), ".yaml"); s.Config.Environment != name {
			t.Errorf("%s says environment %q", f, s.Config.Environment)
		}
	}
}
