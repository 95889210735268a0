package manifest_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
	"github.com/platctl/platctl/internal/base/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() manifest.Manifest {
	return manifest.Manifest{
		App: "market", Version: "1.2.3",
		Git:   manifest.Git{SHA: strings.Repeat("ab", 20), Branch: "main", Time: "2026-10-19T08:00:00Z"},
		Built: manifest.Built{Go: "go1.26.3", Flags: []string{"-trimpath", "-ldflags=-s -w"}},
		Artifacts: []manifest.Artifact{
			{Kind: "sbom", Path: "sbom.cdx.json", Size: 20, SHA256: strings.Repeat("2", 64)},
			{Kind: "binary", Path: "bin/platctl", Size: 10, SHA256: strings.Repeat("1", 64), OS: "linux", Arch: "amd64"},
		},
		SBOM:       &manifest.Digest{Path: "sbom.cdx.json", SHA256: strings.Repeat("2", 64), Format: "CycloneDX 1.6"},
		Database:   manifest.Database{BuiltFor: 12, Min: 11, Max: 12},
		Contract:   &manifest.Contract{Path: "sqlcontract.json", SHA256: strings.Repeat("3", 64), Statements: 41},
		ConfigKeys: []string{"state_dir", "environment"},
		Start:      manifest.Start{Command: []string{"bin/platctl", "serve"}},
	}
}

func contract() manifest.SQLContract {
	return manifest.SQLContract{Statements: []manifest.Statement{
		{Name: "post.create", SQL: "INSERT INTO post (author, body) VALUES ($1, $2) RETURNING id",
			Params: []string{"int8", "text"}, Columns: []manifest.Column{{Name: "id", Type: "int8"}}, Inserts: []string{"post"}},
		{Name: "account.get", SQL: "SELECT id, handle FROM account WHERE id = $1", Params: []string{"int8"},
			Columns: []manifest.Column{{Name: "id", Type: "int8"}, {Name: "handle", Type: "text"}}, Inserts: []string{}},
	}}
}

func TestManifestGolden(t *testing.T) {
	t.Parallel()
	got, err := example().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/manifest.v1.json", got, *update)
}

func TestContractGolden(t *testing.T) {
	t.Parallel()
	got, err := contract().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/sqlcontract.v1.json", got, *update)
}

// A host may meet a manifest that an older or a newer platctl wrote: a rollback brings the older reader back.
func TestReadersAcceptNeighbours(t *testing.T) {
	t.Parallel()
	for file, ok := range map[string]bool{
		"manifest.v0.json": true, "manifest.v1.json": true, "manifest.v2.json": true, "manifest.v3.json": false,
	} {
		m, err := manifest.Parse(read(t, file))
		if (err == nil) != ok {
			t.Errorf("%s: %v, want accepted %t", file, err, ok)
		}
		if ok && (m.App != "market" || m.Version != "1.2.3" || m.Database.Max != 12 || m.Start.Command[0] != "bin/platctl") {
			t.Errorf("%s is read as %+v", file, m)
		}
	}
	for file, ok := range map[string]bool{
		"sqlcontract.v0.json": true, "sqlcontract.v1.json": true, "sqlcontract.v2.json": true, "sqlcontract.v3.json": false,
	} {
		c, err := manifest.ParseContract(read(t, file))
		if (err == nil) != ok {
			t.Errorf("%s: %v, want accepted %t", file, err, ok)
		}
		if ok && (len(c.Statements) != 2 || c.Statements[1].Inserts[0] != "post") {
			t.Errorf("%s is read as %+v", file, c)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	m, err := manifest.Parse(read(t, "manifest.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := example()
	want.Schema = manifest.Schema().String()
	want.Artifacts[0], want.Artifacts[1] = want.Artifacts[1], want.Artifacts[0]
	want.ConfigKeys = []string{"environment", "state_dir"}
	if !reflect.DeepEqual(*m, want) {
		t.Errorf("got  %+v\nwant %+v", *m, want)
	}
}

// Marshal is given facts that others still hold, so it must not reorder them.
func TestMarshalLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	m, c := example(), contract()
	if _, err := m.Marshal(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Marshal(); err != nil {
		t.Fatal(err)
	}
	if m.Artifacts[0].Kind != "sbom" || m.ConfigKeys[0] != "state_dir" || c.Statements[0].Name != "post.create" {
		t.Error("the caller's lists were sorted")
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := string(read(t, "manifest.v1.json"))
	for name, change := range map[string][2]string{
		"a path upwards":        {`"path": "bin/platctl"`, `"path": "../bin/platctl"`},
		"an absolute SBOM":      {`"path": "sbom.cdx.json",` + "\n    \"sha256\": \"2222222222222222222222222222222222222222222222222222222222222222\",\n    \"format\"", `"path": "/etc/passwd", "format"`},
		"a provenance upwards":  {`"database": {`, `"provenance": {"path": "../p"}, "database": {`},
		"a contract elsewhere":  {`"path": "sqlcontract.json"`, `"path": "a/../../sqlcontract.json"`},
		"an absolute command":   {`"bin/platctl",` + "\n      \"serve\"", `"/bin/sh"`},
		"no command":            {`"bin/platctl",` + "\n      \"serve\"", ``},
		"no version":            {`"version": "1.2.3"`, `"version": ""`},
		"no app":                {`"app": "market"`, `"app": ""`},
		"a number for a string": {`"app": "market"`, `"app": 7`},
	} {
		doc := strings.Replace(good, change[0], change[1], 1)
		if doc == good {
			t.Fatalf("%s: the golden file has no %q", name, change[0])
		}
		if _, err := manifest.Parse([]byte(doc)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want an invalid input", name, err)
		}
	}
}

func TestReadDirOfSomethingElse(t *testing.T) {
	t.Parallel()
	if _, err := manifest.ReadDir(t.TempDir()); !errors.Is(err, fault.NotFound) {
		t.Errorf("an empty folder: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"manifest.v0.json", "manifest.v1.json", "manifest.v2.json", "manifest.v3.json"} {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Parse(data)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		for _, a := range m.Artifacts {
			if !filepath.IsLocal(a.Path) {
				t.Fatalf("accepted the path %q", a.Path)
			}
		}
		stable(t, m.Marshal, func(b []byte) (func() ([]byte, error), error) {
			again, err := manifest.Parse(b)
			if err != nil {
				return nil, err
			}
			return again.Marshal, nil
		})
	})
}

func FuzzParseContract(f *testing.F) {
	for _, file := range []string{"sqlcontract.v0.json", "sqlcontract.v1.json", "sqlcontract.v2.json", "sqlcontract.v3.json"} {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := manifest.ParseContract(data)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		stable(t, c.Marshal, func(b []byte) (func() ([]byte, error), error) {
			again, err := manifest.ParseContract(b)
			if err != nil {
				return nil, err
			}
			return again.Marshal, nil
		})
	})
}

// stable checks that what was accepted is written, read and written again as the same bytes.
func stable(t *testing.T, marshal func() ([]byte, error), parse func([]byte) (func() ([]byte, error), error)) {
	t.Helper()
	one, err := marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(one)
	if err != nil {
		t.Fatalf("does not read what it wrote: %v\n%s", err, one)
	}
	two, err := again()
	if err != nil || !bytes.Equal(one, two) {
		t.Fatalf("two writings differ (%v)\n%s\n%s", err, one, two)
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
