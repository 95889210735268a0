package plan_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/release/plan"
)

func own(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("../../../" + plan.FileName)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOurOwnFile(t *testing.T) {
	t.Parallel()
	p, err := plan.Read("../../..")
	if err != nil {
		t.Fatal(err)
	}
	b := p.Builds[0]
	if p.ProjectName != "platctl" || b.Main != "./cmd/platctl" || b.Binary != "platctl" || len(b.LDFlags) != 4 || len(b.GOOS) != 2 {
		t.Errorf("%+v", p)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	p, err := plan.Parse([]byte("version: 2\nproject_name: thing\nbuilds: [{main: ./cmd/thing, goos: [linux], goarch: [amd64]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Builds[0].Binary != "thing" || p.Checksum.NameTemplate != "checksums.txt" || p.Archives[0].Formats[0] != "tar.gz" {
		t.Errorf("%+v", p)
	}
}

// What platctl would skip, it refuses, and says where.
func TestRefusesWhatItWouldSkip(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, with, says string }{
		"a key at the top":        {"project_name: platctl", "project_name: platctl\nsigns: []", `line 5: platctl does not carry out the key "signs"`},
		"a key in a build":        {"    main: ./cmd/platctl", "    main: ./cmd/platctl\n    hooks: {}", `line 8: platctl does not carry out the key "hooks"`},
		"an unknown field":        {"{{.CommitDate}}", "{{.Now}}", `"{{.Now}}"`},
		"a function":              {"{{.Version}}", "{{ tolower .Version }}", `"{{ tolower .Version }}"`},
		"an open template":        {"{{.CommitDate}}", "{{.CommitDate", "does not know"},
		"an old version":          {"version: 2", "version: 1", "version is 1"},
		"another format":          {"[tar.gz]", "[zip]", "tar.gz"},
		"another digest":          {"sha256", "sha1", "sha1"},
		"a file outside":          {"[LICENSE, README.md]", "[../secret]", "../secret"},
		"a pattern":               {"[LICENSE, README.md]", "['*.md']", "*.md"},
		"a package outside":       {"./cmd/platctl", "../other", "../other"},
		"a binary with a path":    {"binary: platctl", "binary: ../platctl", "../platctl"},
		"a checksum with a path":  {"name_template: checksums.txt", "name_template: /tmp/x", "/tmp/x"},
		"an environment of words": {"CGO_ENABLED=0", "CGO_ENABLED", "KEY=VALUE"},
		"no targets":              {"goos: [linux, darwin]", "goos: []", "no target"},
		"a name with a slash":     {"project_name: platctl", "project_name: a/b", "a/b"},
		"a list for a word":       {"project_name: platctl", "project_name: [a]", "line 4"},
		"two documents":           {"version: 2\nproject", "version: 2\n---\nproject", "document"},
		"the same key twice":      {"version: 2\nproject", "version: 2\nversion: 2\nproject", "already defined"},
	} {
		doc := strings.Replace(own(t), c.old, c.with, 1)
		if doc == own(t) {
			t.Fatalf("%s: our file has no %q", name, c.old)
		}
		_, err := plan.Parse([]byte(doc))
		if !errors.Is(err, fault.Config) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; it must say %s", name, err, c.says)
		}
	}
	for _, doc := range []string{"", "[]", "version: 2", "\x00", "builds: [{}]"} {
		if _, err := plan.Parse([]byte(doc)); !errors.Is(err, fault.Config) {
			t.Errorf("%q: %v", doc, err)
		}
	}
	if _, err := plan.Read(t.TempDir()); !errors.Is(err, fault.Config) {
		t.Errorf("no file: %v", err)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	v := plan.Values{Version: "1.2.3", Commit: "abc", Date: "2026-01-01T00:00:00Z", OS: "linux", Arch: "arm64", ProjectName: "p"}
	got, err := v.Expand("{{.ProjectName}}_{{ .Version }}_{{.Os}}_{{.Arch}} {{.Commit}} {{.Date}} {{.CommitDate}} }}")
	if want := "p_1.2.3_linux_arm64 abc 2026-01-01T00:00:00Z 2026-01-01T00:00:00Z }}"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for v, ok := range map[string]bool{
		"1.2.3": true, "0.0.0": true, "1.2.3-rc.1": true, "1.2.3-rc.1+linux": true,
		"": false, "1.2": false, "v1.2.3": false, "01.2.3": false, "1.2.3/../..": false, "1.2.3-": false, "../1.2.3": false,
		"1.2.3\n": false, "latest": false, "1.2.3-" + strings.Repeat("a", 200): false,
	} {
		if err := plan.CheckVersion(v); (err == nil) != ok || (err != nil && !errors.Is(err, fault.Usage)) {
			t.Errorf("CheckVersion(%q) = %v, want accepted %t", v, err, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(own(f)))
	f.Add([]byte("version: 2\nproject_name: a\nbuilds: [{main: ., goos: [x], goarch: [y]}]\narchives: [{}, {}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plan.Parse(data)
		if err != nil {
			if !errors.Is(err, fault.Config) {
				t.Fatalf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		v := plan.Values{Version: "1.0.0", OS: "linux", Arch: "amd64", ProjectName: p.ProjectName}
		for _, tpl := range []string{p.Archives[0].NameTemplate, p.Checksum.NameTemplate} {
			if name, err := v.Expand(tpl); err != nil || strings.ContainsAny(name, "/\\") {
				t.Fatalf("accepted the file name %q (%v)", name, err)
			}
		}
	})
}
