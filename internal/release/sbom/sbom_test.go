package sbom_test

import (
	"archive/zip"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/pb33f/jsonschema/v6"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/release/sbom"
)

// platctl builds the real thing once. A test binary won't do: Go records no modules in it.
var platctl = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sbom-test-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "platctl")
	out, err := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "../../../cmd/platctl").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := platctl(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

func self(t *testing.T) string {
	t.Helper()
	bin, err := platctl()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// modCache is where the go command keeps the modules that platctl was built from.
func modCache(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func generate(t *testing.T, path string, o sbom.Options) (*sbom.Document, *cdx.BOM) {
	t.Helper()
	target, err := sbom.Find(path, time.Date(2026, 10, 19, 8, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := sbom.Generate(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(doc.Bytes), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	return doc, &bom
}

// recorded is what the linker wrote into the binary, by the rules of the document: a fork stands for what it replaces,
// and a module that a local folder replaced has no version.
func recorded(t *testing.T, path string) []string {
	t.Helper()
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"stdlib " + info.GoVersion}
	for _, d := range info.Deps {
		switch {
		case d.Replace == nil:
			out = append(out, d.Path+" "+d.Version)
		case d.Replace.Version == "" || d.Replace.Version == "(devel)":
			out = append(out, d.Path+" ")
		default:
			out = append(out, d.Replace.Path+" "+d.Replace.Version)
		}
	}
	slices.Sort(out)
	return out
}

func listed(bom *cdx.BOM) []string {
	var out []string
	for _, c := range *bom.Components {
		out = append(out, c.Name+" "+c.Version)
	}
	slices.Sort(out)
	return out
}

func TestModulesAreThoseOfTheBinary(t *testing.T) {
	t.Parallel()
	doc, bom := generate(t, self(t), sbom.Options{Tool: "1.0.0"})
	if got, want := listed(bom), recorded(t, self(t)); !slices.Equal(got, want) {
		t.Errorf("listed\n%s\nrecorded\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if doc.Summary.Modules < 10 || doc.Summary.Modules != len(*bom.Components) {
		t.Errorf("the summary counts %d modules, the document has %d", doc.Summary.Modules, len(*bom.Components))
	}
	for _, c := range *bom.Components {
		if !strings.HasPrefix(c.PackageURL, "pkg:golang/") || c.BOMRef != c.PackageURL || c.Type != cdx.ComponentTypeLibrary {
			t.Errorf("component %+v", c)
		}
	}
}

func TestMainComponentAndGraph(t *testing.T) {
	t.Parallel()
	doc, bom := generate(t, self(t), sbom.Options{Tool: "1.0.0"})
	main := bom.Metadata.Component
	if main.Type != cdx.ComponentTypeApplication || main.Name != "platctl" || (*main.Hashes)[0].Value != doc.Summary.SHA256 {
		t.Errorf("main component %+v", main)
	}
	if bom.Metadata.Timestamp != "2026-10-19T08:00:00Z" || bom.SpecVersion != cdx.SpecVersion1_6 {
		t.Errorf("time %s, version %s", bom.Metadata.Timestamp, bom.SpecVersion)
	}
	deps := *bom.Dependencies
	if deps[0].Ref != main.BOMRef || len(*deps[0].Dependencies) != len(*bom.Components) || len(deps) != len(*bom.Components)+1 {
		t.Errorf("the graph is not main to all: %d edges for %d modules", len(*deps[0].Dependencies), len(*bom.Components))
	}
	comp := (*bom.Compositions)[0]
	if comp.Aggregate != cdx.CompositionAggregateIncomplete || string((*comp.Dependencies)[0]) != main.BOMRef {
		t.Errorf("a flat graph must be declared incomplete: %+v", comp)
	}
	if bytes.Contains(bytes.ToLower(doc.Bytes), []byte(`"supplier"`)) || bytes.Contains(doc.Bytes, []byte("Anchore, Inc")) {
		t.Error("the document names a supplier")
	}
}

// The document must not depend on where, when and how often it is written.
func TestSameBinarySameBytes(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "other-name")
	if err := os.WriteFile(elsewhere, data, 0o600); err != nil {
		t.Fatal(err)
	}
	first, bom := generate(t, self(t), sbom.Options{Tool: "1.0.0"})
	second, _ := generate(t, elsewhere, sbom.Options{Tool: "1.0.0"})
	if !bytes.Equal(first.Bytes, second.Bytes) {
		t.Error("a copy of the binary has another document")
	}
	if !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") || bom.SerialNumber[9+14] != '5' {
		t.Errorf("serial number %s is no UUIDv5", bom.SerialNumber)
	}
	if other, _ := generate(t, self(t), sbom.Options{Tool: "1.0.1"}); other.Summary.Serial == first.Summary.Serial {
		t.Error("another content has the same serial number")
	}
	home, _ := os.UserHomeDir()
	for _, private := range []string{filepath.Dir(self(t)), t.TempDir(), home + "/"} {
		if bytes.Contains(first.Bytes, []byte(private)) {
			t.Errorf("the document contains the path %s", private)
		}
	}
}

// validator compiles the published schema; nothing is fetched.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for id, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6", "spdx.SNAPSHOT.schema.json": "spdx", "jsf-0.82.SNAPSHOT.schema.json": "jsf-0.82",
		"spdx.schema.json": "spdx", "jsf-0.82.schema.json": "jsf-0.82",
	} {
		f, err := os.Open("testdata/schema/" + file + ".SNAPSHOT.schema.json")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+id, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, doc []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestDocumentFitsThePublishedSchema(t *testing.T) {
	t.Parallel()
	schema := validator(t)
	doc, _ := generate(t, self(t), sbom.Options{Tool: "1.0.0", ModCache: modCache(t)})
	if len(doc.Summary.UnknownLicences) > doc.Summary.Modules/20 {
		t.Errorf("%d of %d modules without a licence: %v", len(doc.Summary.UnknownLicences), doc.Summary.Modules, doc.Summary.UnknownLicences)
	}
	if err := validate(t, schema, doc.Bytes); err != nil {
		t.Errorf("%v", err)
	}
	broken := bytes.Replace(doc.Bytes, []byte(`"type": "application"`), []byte(`"type": "apricot"`), 1)
	if validate(t, schema, broken) == nil {
		t.Error("the schema accepts a component type that does not exist: the check is blind")
	}
}

// module is one version of a module in a file-system module proxy.
func module(t *testing.T, proxy, path, version string, files map[string]string) {
	t.Helper()
	dir := filepath.Join(proxy, path, "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for name, content := range files {
		w, err := zw.Create(path + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, content)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, version+".zip"), buf.String())
	write(t, filepath.Join(dir, version+".mod"), files["go.mod"])
	write(t, filepath.Join(dir, version+".info"), fmt.Sprintf(`{"Version":%q,"Time":"2026-01-01T00:00:00Z"}`, version))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A fork, a local folder and plain modules with a licence, with two and with none: everything Go can record.
func TestReplacedModulesAndLicences(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	proxy, app, cache := filepath.Join(root, "proxy"), filepath.Join(root, "app"), filepath.Join(root, "cache")
	mit, err := os.ReadFile("testdata/MIT.txt")
	if err != nil {
		t.Fatal(err)
	}
	isc, err := os.ReadFile("testdata/ISC.txt")
	if err != nil {
		t.Fatal(err)
	}
	module(t, proxy, "example.com/plain", "v1.0.0", map[string]string{"go.mod": "module example.com/plain\n", "p.go": "package plain\n", "LICENSE": string(mit)})
	module(t, proxy, "example.com/two", "v0.1.0", map[string]string{"go.mod": "module example.com/two\n", "p.go": "package two\n", "LICENSE": string(mit), "LICENSE.isc": string(isc)})
	module(t, proxy, "example.com/fork", "v1.2.0", map[string]string{"go.mod": "module example.com/orig\n", "p.go": "package orig\n"})
	write(t, filepath.Join(root, "local", "go.mod"), "module example.com/local\n")
	write(t, filepath.Join(root, "local", "p.go"), "package local\n")
	write(t, filepath.Join(app, "go.mod"), `module example.com/app
go 1.26
require (
	example.com/plain v1.0.0
	example.com/two v0.1.0
	example.com/orig v1.0.0
	example.com/local v1.0.0
)
replace example.com/orig v1.0.0 => example.com/fork v1.2.0
replace example.com/local => ../local
`)
	write(t, filepath.Join(app, "cmd/tool/main.go"), `package main
import (_ "example.com/plain"; _ "example.com/two"; _ "example.com/orig"; _ "example.com/local")
func main() {}
`)
	bin := filepath.Join(root, "tool")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin, "./cmd/tool")
	build.Dir = app
	build.Env = append(build.Environ(), "GOPROXY=file://"+proxy, "GONOSUMDB=*", "GONOSUMCHECK=1", "GOFLAGS=-mod=mod -modcacherw",
		"GOMODCACHE="+cache, "GOSUMDB=off", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	doc, bom := generate(t, bin, sbom.Options{Tool: "1.0.0", ModCache: cache})
	if got, want := listed(bom), recorded(t, bin); !slices.Equal(got, want) || len(got) != 5 {
		t.Errorf("listed %q, recorded %q", got, want)
	}
	if err := validate(t, validator(t), doc.Bytes); err != nil {
		t.Error(err)
	}
	wantCounts := []sbom.LicenceCount{{Licence: "MIT", Modules: 2}, {Licence: "BSD-3-Clause", Modules: 1}, {Licence: "ISC", Modules: 1}}
	if !slices.Equal(doc.Summary.Licences, wantCounts) {
		t.Errorf("licences %+v", doc.Summary.Licences)
	}
	if want := []string{"example.com/fork", "example.com/local"}; !slices.Equal(doc.Summary.UnknownLicences, want) {
		t.Errorf("unknown licences %v, want %v", doc.Summary.UnknownLicences, want)
	}
	if bom.Metadata.Component.PackageURL != "pkg:golang/example.com/app#cmd/tool" || bom.Metadata.Component.Name != "tool" {
		t.Errorf("main component %+v", bom.Metadata.Component)
	}
	if bytes.Contains(doc.Bytes, []byte(root)) || bytes.Contains(doc.Bytes, []byte("../local")) {
		t.Error("the document contains a path of this machine")
	}
}

func TestReleaseDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "bin/app"), string(data))
	m, err := manifest.Manifest{App: "market", Version: "1.2.3", Git: manifest.Git{Time: "2026-01-02T03:04:05Z"},
		Start: manifest.Start{Command: []string{"bin/app", "serve"}}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, manifest.FileName), string(m))
	target, err := sbom.Find(dir, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := sbom.Generate(t.Context(), target, sbom.Options{Tool: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if doc.Summary.Version != "1.2.3" || doc.Summary.Time != "2026-01-02T03:04:05Z" {
		t.Errorf("summary %+v", doc.Summary)
	}
}

func TestWhatIsNotCoveredIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		content, says string
		kind          fault.Kind
	}{
		"script": {"#!/bin/sh\necho hi\n", "script", fault.Unsupported},
		"text":   {"hello, this is text\n", "no program", fault.Unsupported},
		"empty":  {"", "empty", fault.Unsupported},
		"elf":    {"\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100), "without Go build information", fault.Unsupported},
		"tar.gz": {"\x1f\x8b\x08\x00", "gzip", fault.Unsupported},
	} {
		p := filepath.Join(dir, name)
		write(t, p, tc.content)
		if _, err := sbom.Find(p, time.Time{}); !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sbom.Find(dir, time.Time{}); !errors.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "no release") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := sbom.Find("alpine:3.20", time.Time{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("an image: %v", err)
	}
	if _, err := sbom.Find("/dev/null", time.Time{}); !errors.Is(err, fault.Unsupported) {
		t.Errorf("a device: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target, err := sbom.Find(self(t), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sbom.Generate(ctx, target, sbom.Options{}); fault.KindOf(err) != fault.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestSummaryJSONHasNoNulls(t *testing.T) {
	t.Parallel()
	doc, _ := generate(t, self(t), sbom.Options{ModCache: t.TempDir()})
	data, err := json.Marshal(doc.Summary)
	if err != nil || bytes.Contains(data, []byte("null")) {
		t.Errorf("%s, %v", data, err)
	}
	if len(doc.Summary.UnknownLicences) != doc.Summary.Modules-1 {
		t.Errorf("without a module cache only the standard library's licence is known, got %d unknown of %d",
			len(doc.Summary.UnknownLicences), doc.Summary.Modules)
	}
}
