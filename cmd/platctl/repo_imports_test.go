package main

import (
	"go/ast"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// edge is an import that must not exist, with the reason.
type edge struct {
	from, to string // folders of this repository; everything below them counts
	why      string
}

// forbidden lists the edges between our own packages. cmd -> {api, ops, perf, release} -> base is what is left.
func forbidden() []edge {
	edges := []edge{
		{"internal", "cmd", "a library that knows its command line can't be used by a second one"},
		{"configs", "internal", "embedded files are data; whoever loads them knows their meaning"},
		{"configs", "cmd", "embedded files are data"},
		{"runbooks", "internal", "embedded files are data; whoever loads them knows their meaning"},
		{"runbooks", "cmd", "embedded files are data"},
		{"xk6-ext", "internal", "k6 is AGPL: the extension shares a JSON format with platctl, never code"},
		{"xk6-ext", "cmd", "k6 is AGPL: the extension shares a JSON format with platctl, never code"},
		{"cmd", "xk6-ext", "k6 is AGPL: platctl runs it as a process"},
		{"internal", "xk6-ext", "k6 is AGPL: platctl runs it as a process"},
		{"cmd/platctl/internal/settings", "cmd/platctl/internal/command", "settings are read by commands, not the other way"},
		{"cmd/platctl/internal/output", "cmd/platctl/internal/command", "a printer prints any result"},
		{"cmd/platctl/internal/term", "cmd/platctl/internal/command", "the terminal is a leaf"},
		{"cmd/platctl/internal/command", "cmd/platctl/internal/cli", "the root knows its commands, not the other way"},
	}
	areas := []string{"internal/api", "internal/ops", "internal/perf", "internal/release"}
	for _, a := range areas {
		edges = append(edges, edge{"internal/base", a, "base is the vocabulary of all four areas; an import upwards ties them together"})
		for _, b := range areas {
			if a != b {
				edges = append(edges, edge{a, b, "areas meet in files, in base and in cmd, so each can be changed or lifted out alone"})
			}
		}
	}
	return edges
}

// library is a module of others that may be imported in few places.
type library struct {
	path  string // import path; everything below it counts
	where []string
	why   string
}

func libraries() []library {
	return []library{
		{"github.com/spf13/viper", []string{"cmd/platctl/internal/settings"}, "one place decides which of flag, environment, file and default wins"},
		{"github.com/spf13/cobra", []string{"cmd/platctl", "xk6-ext/internal/command"}, "domain packages are called by tests, pages and servers too"},
		{"github.com/spf13/pflag", []string{"cmd/platctl"}, "flags end at the command's Options"},
		{"github.com/charmbracelet", []string{"cmd/platctl"}, "domain packages return values and events; only cmd draws"},
		{"github.com/jackc/pgx/v5", []string{
			"internal/base/pg", "internal/base/localpg", "internal/base/telemetry", "internal/api", "internal/ops/migrate", "internal/ops/catalog",
			"internal/ops/explain", "internal/ops/trace", "internal/ops/scratch",
			"internal/ops/compat", "internal/ops/ledger", "internal/ops/backup", "cmd/platctl/internal/command"},
			"a deploy, a rollback and a release must work while the database is down"},
		{"github.com/ogen-go/ogen", []string{"internal/api"}, "only the API is generated from the spec"},
		{"github.com/anchore", []string{"internal/release/sbom"}, "syft is heavy and its output is made reproducible in one place"},
		{"github.com/CycloneDX", []string{"internal/release/sbom"}, "one writer of SBOMs"},
		{"go.k6.io", []string{"xk6-ext"}, "k6 is AGPL and lives in its own module and binary"},
		{"github.com/anchore/syft/syft/format", nil, "the helpers cost 31 MB and 20 ms; cyclonedx-go writes the same document"},
		{"github.com/minio/minio-go/v7", []string{"internal/api/media/store"}, "one place explains what S3 services answer"},
		{"github.com/deepteams/webp", []string{"internal/api/media/picture", "internal/api/media/mediatest"}, "what strangers sent is decoded in a process with limits only"},
		{"golang.org/x/image", []string{"internal/api/media/picture"}, "what strangers sent is decoded in a process with limits only"},
		{"github.com/google/uuid", []string{"internal/release/sbom", "internal/api", "internal/ops"}, "ids are for documents and rows"},
		{"golang.org/x/exp", nil, "it promises no compatibility"},
		{"github.com/pkg/errors", nil, "base/fault is the vocabulary of failure"},
	}
}

// Layering is a test, with a reason beside every forbidden edge. Tests may reach sideways, because they ship nothing, but
// no test of a library may need the command line.
func TestLayering(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, imp := range s.file.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if own, ok := strings.CutPrefix(p, module+"/"); ok {
				checkEdge(t, s, imp, own)
			} else if !s.test && !onlyImports(s.file) {
				checkLibrary(t, s, imp, p)
			}
		}
	}
}

func checkEdge(t *testing.T, s *source, imp *ast.ImportSpec, to string) {
	t.Helper()
	for _, e := range forbidden() {
		if within(s.dir, e.from) && within(to, e.to) && (!shipsNothing(s) || e.to == "cmd") {
			t.Errorf("%s: %s must not import %s: %s", s.at(imp), s.dir, to, e.why)
		}
	}
	const commands = "cmd/platctl/internal/command"
	if from := noun(s.dir, commands); from != "" && noun(to, commands) != "" && noun(to, commands) != from {
		t.Errorf("%s: %s must not import %s: commands share code through internal/, or they grow a `shared` package",
			s.at(imp), s.dir, to)
	}
}

// shipsNothing holds for tests and for packages that only tests import, which are named so: apitest, pgtest.
func shipsNothing(s *source) bool { return s.test || strings.HasSuffix(s.dir, "test") }

// noun returns the folder directly below base that dir is in.
func noun(dir, base string) string {
	rest, ok := strings.CutPrefix(dir, base+"/")
	if !ok {
		return ""
	}
	return strings.Split(rest, "/")[0]
}

func checkLibrary(t *testing.T, s *source, imp *ast.ImportSpec, p string) {
	t.Helper()
	for _, l := range libraries() {
		if within(p, l.path) && !slices.ContainsFunc(l.where, func(w string) bool { return within(s.dir, w) }) {
			t.Errorf("%s: %s only in %v: %s", s.at(imp), p, l.where, l.why)
		}
	}
}

// What the binary links is not visible in our own imports: a library may bring a cloud SDK along. These were measured.
func TestTheBinaryLinksNoGiants(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	giants := map[string]string{
		`^go\.k6\.io/`: "AGPL", `^cloud\.google\.com/go/storage`: "30 MB with gRPC and envoy, through go-getter",
		`^github\.com/aws/aws-sdk-go-v2/service`: "S3 goes through minio-go", `^modernc\.org/sqlite`: "9 MB, only for RPM databases",
		`^github\.com/anchore/syft/syft/format`: "31 MB", `^github\.com/anchore/syft/syft$`: "every cataloguer, 50 MB",
		`^net/http/httptest$`: "tests only", `^testing$`: "tests only",
	}
	pkgs := strings.Fields(string(out))
	if !slices.Contains(pkgs, path.Join(module, "cmd/platctl/internal/cli")) {
		t.Fatalf("go list answered %d packages without our own", len(pkgs))
	}
	for pattern, why := range giants {
		re := regexp.MustCompile(pattern)
		for _, p := range pkgs {
			if re.MatchString(p) {
				t.Errorf("the binary links %s: %s", p, why)
			}
		}
	}
}
