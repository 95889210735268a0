package main

// The house rules as tests, each with its reason beside it. They read the sources, so they need no database and no
// network. repo_imports_test.go holds who may import whom, repo_commands_test.go what every command owes its user.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/platctl/platctl"
)

// source is one Go file that people write.
type source struct {
	path      string // from the root of the repository, with slashes
	dir       string
	test      bool
	generated bool
	file      *ast.File
	fset      *token.FileSet
}

func (s *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// sources returns every Go file of the main module and of the k6 extension. tools/ holds no code of the product.
func sources(t *testing.T) []*source {
	t.Helper()
	out, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d Go files found under %s", len(out), root)
	}
	return out
}

// parsed reads the sources once: the generated API alone has some 100,000 lines.
var parsed = sync.OnceValues(func() ([]*source, error) {
	var out []*source
	fset := token.NewFileSet()
	for _, top := range []string{"cmd", "internal", "configs", "runbooks", "xk6-ext"} {
		if _, err := os.Stat(filepath.Join(root, top)); err != nil {
			continue // the folder comes with a later issue
		}
		err := filepath.WalkDir(filepath.Join(root, top), func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), "_")):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(p, ".go"):
				return nil
			}
			f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel := filepath.ToSlash(strings.TrimPrefix(p, root+string(filepath.Separator)))
			out = append(out, &source{path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"),
				generated: isGenerated(rel, f), file: f, fset: fset})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
})

// isGenerated exempts a file from the rules about shape: its generator is what a person reads.
func isGenerated(p string, f *ast.File) bool {
	name := path.Base(p)
	return strings.HasSuffix(name, "_gen.go") || strings.HasPrefix(name, "oas_") || ast.IsGenerated(f)
}

// onlyImports says that a file does nothing but import: it keeps modules in go.mod, and no rule about code applies.
func onlyImports(f *ast.File) bool {
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); !ok || g.Tok != token.IMPORT {
			return false
		}
	}
	return len(f.Decls) > 0
}

// A package is one noun; its comment states the purpose and what always holds. Without a test nobody keeps this up: of the
// codebases we compared, only those that test it have it.
func TestEveryPackageHasAComment(t *testing.T) {
	t.Parallel()
	has := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || s.generated || onlyImports(s.file) {
			continue
		}
		has[s.dir] = has[s.dir] || len(strings.Fields(s.file.Doc.Text())) >= 5
	}
	for dir, ok := range has {
		if !ok {
			t.Errorf("%s: no file has a package comment that says what it is for", dir)
		}
	}
}

// The median function is short everywhere; what separates codebases is the tail, so the tail has a hard end. Tests may
// be longer because a table is easier to read in one piece.
func TestFunctionsStaySmall(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		limit := 60
		if s.test {
			limit = 100
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > limit {
				t.Errorf("%s: %s has %d lines, more than %d", s.at(f), f.Name.Name, n, limit)
			}
			if c := complexity(f); c > 15 && !s.test {
				t.Errorf("%s: %s has a cyclomatic complexity of %d, more than 15", s.at(f), f.Name.Name, c)
			}
		}
	}
}

// complexity counts the ways through a function, as gocyclo does: one, and one more for each decision.
func complexity(f *ast.FuncDecl) int {
	n := 1
	ast.Inspect(f, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// restricted is a function that may be called in few places.
type restricted struct {
	call  *regexp.Regexp
	where []string // a file, or a folder with everything below it
	why   string
}

func restrictedCalls() []restricted {
	return []restricted{
		{regexp.MustCompile(`^os\.Exit$|^syscall\.Exit$|^log\.(Fatal|Panic)`), []string{"cmd/platctl/main.go", "xk6-ext/cmd"},
			"an exit anywhere else skips the deferred clean-up and can't be tested"},
		{regexp.MustCompile(`^os\.(Getenv|LookupEnv|Environ|ExpandEnv|Setenv|Unsetenv|Clearenv)$`),
			[]string{"cmd/platctl/main.go", "cmd/platctl/internal/settings", "xk6-ext"},
			"`config show` prints the origin of every value; a variable read elsewhere is invisible there"},
		{regexp.MustCompile(`^log\.(Print|New|Default|Set|Output)`), nil,
			"logs are structured: log/slog, and the logger comes in options; net/http's ErrorLog takes slog.NewLogLogger"},
		{regexp.MustCompile(`^(context\.TODO)$`), nil, "it says that the caller's context is still to be passed on"},
	}
}

// Exits and the environment stay where they can be seen.
func TestCallsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	rules := restrictedCalls()
	for _, s := range sources(t) {
		if s.test || s.generated {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			name := pkg.Name + "." + sel.Sel.Name
			for _, r := range rules {
				if r.call.MatchString(name) && !slices.ContainsFunc(r.where, func(w string) bool { return within(s.path, w) }) {
					t.Errorf("%s: %s only in %v: %s", s.at(n), name, r.where, r.why)
				}
			}
			return true
		})
	}
}

// within says whether p is the file or folder w, or below it.
func within(p, w string) bool { return p == w || strings.HasPrefix(p, w+"/") }

// stamped are written by the linker (-X), which can only set package variables.
func stamped() []string {
	return []string{"internal/base/build.Version", "internal/base/build.Commit", "internal/base/build.Date"}
}

// Hidden state makes two tests, or two servers in one process, see each other. k6 alone asks for registration in init().
func TestNoHiddenState(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" && !within(s.path, "xk6-ext") {
					t.Errorf("%s: init() runs before main can decide anything; pass the value in options", s.at(d))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
						checkVar(t, s, d, v)
					}
				}
			}
		}
	}
}

func checkVar(t *testing.T, s *source, d *ast.GenDecl, v *ast.ValueSpec) {
	t.Helper()
	if strings.Contains(comments(d.Doc)+comments(v.Doc), "//go:embed") {
		return
	}
	for i, name := range v.Names {
		if name.Name == "_" || slices.Contains(stamped(), s.dir+"."+name.Name) {
			continue
		}
		if i < len(v.Values) && (isCall(v.Values[i], "regexp.MustCompile", "errors.New", "fault.New") ||
			shipsNothing(s) && isCall(v.Values[i], "sync.OnceValues")) { // what a test process computes once
			continue
		}
		t.Errorf("%s: package variable %s: only embeds, regexps, error values and interface assertions may be one",
			s.at(name), name.Name)
	}
}

// comments is the raw text of a comment group; CommentGroup.Text leaves directives out.
func comments(g *ast.CommentGroup) string {
	var b strings.Builder
	if g != nil {
		for _, c := range g.List {
			b.WriteString(c.Text)
		}
	}
	return b.String()
}

// constantCall says whether an initial value is a compiled pattern or an error.
func isCall(e ast.Expr, functions ...string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && slices.Contains(functions, pkg.Name+"."+sel.Sel.Name)
}

// Go refuses `go install MODULE@VERSION` for a module whose go.mod replaces anything, so one replace takes the
// simplest way to install platctl away.
func TestGoModReplacesNothing(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^replace\b.*`).Find(data); m != nil {
		t.Errorf("go.mod: %s", m)
	}
}
