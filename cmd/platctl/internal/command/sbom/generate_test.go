package sbom_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
)

// platctl runs a command line and returns what a caller sees.
func platctl(t *testing.T, env []string, args ...string) (code int, out, conversation string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), args, &term.Streams{In: &bytes.Buffer{}, Out: &stdout, Err: &stderr}, env)
	return code, stdout.String(), stderr.String()
}

func self(t *testing.T) string {
	t.Helper()
	p, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDocumentGoesToStdoutAndTheSummaryBesideIt(t *testing.T) {
	t.Parallel()
	code, out, said := platctl(t, []string{"SOURCE_DATE_EPOCH=86400"}, "sbom", "generate", self(t))
	var doc struct {
		BOMFormat string
		Metadata  struct{ Timestamp string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 {
		t.Fatalf("exit %d, %v", code, err)
	}
	if doc.BOMFormat != "CycloneDX" || doc.Metadata.Timestamp != "1970-01-02T00:00:00Z" {
		t.Errorf("document %+v", doc)
	}
	if !strings.Contains(said, "1 modules") || !strings.Contains(said, "BSD-3-Clause") {
		t.Errorf("summary %q", said)
	}
}

func TestJSONIsAlwaysTheEnvelope(t *testing.T) {
	t.Parallel()
	type envelope struct {
		Schema string
		OK     bool
		Data   struct {
			Modules  int
			File     string
			Document json.RawMessage
		}
	}
	read := func(out string) (e envelope) {
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return e
	}
	_, out, _ := platctl(t, nil, "sbom", "generate", self(t), "--json")
	if e := read(out); e.Schema != "platctl.sbom.generate/v1" || !e.OK || e.Data.Modules != 1 || !bytes.Contains(e.Data.Document, []byte("CycloneDX")) {
		t.Errorf("without --output: %.200s", out)
	}
	file := filepath.Join(t.TempDir(), "sbom.json")
	_, out, _ = platctl(t, nil, "sbom", "generate", self(t), "--json", "--output", file)
	if e := read(out); e.Data.File != file || e.Data.Document != nil {
		t.Errorf("with --output: %.200s", out)
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Contains(data, []byte("CycloneDX")) {
		t.Errorf("%s: %v", file, err)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env, args []string
		code      int
		says      string
	}{
		"no binary":    {nil, nil, 2, "accepts 1 arg"},
		"a script":     {nil, []string{script}, 2, "it is a script"},
		"missing":      {nil, []string{"/no/such/file"}, 1, "does not exist"},
		"no folder":    {nil, []string{self(t), "--output", "/no/such/folder/x"}, 1, "can't be written"},
		"a wrong time": {[]string{"SOURCE_DATE_EPOCH=tomorrow"}, []string{self(t)}, 2, "SOURCE_DATE_EPOCH"},
	} {
		code, out, said := platctl(t, c.env, append([]string{"sbom", "generate"}, c.args...)...)
		if code != c.code || !strings.Contains(said, c.says) || out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, code, out, said)
		}
	}
}
