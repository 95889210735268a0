package main

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// outsideCall is a file of the server that calls something outside of its process.
type outsideCall struct {
	path string
	// exempt is why no breaker stands around it; empty: its package has one.
	exempt string
}

// outsideCalls is every one of them. Whoever adds one says with which breaker it is wrapped, or why with none.
func outsideCalls() []outsideCall {
	return []outsideCall{
		{"internal/api/mail/smtp.go", ""},
		{"internal/api/media/store/s3.go", ""},
		{"internal/api/ratelimit/redis.go", ""},
		{"internal/base/telemetry/otlp.go", ""},
		{"internal/base/unixsock/unixsock.go", "sockets of this machine, between releases, their edge and commands: no request waits for one"},
	}
}

// outward is what reaches out of the process, by the package that has it: the names that do, or all of it. PostgreSQL is not among
// them: without it there is no answer to give, and package admission bounds who waits for it.
func outward() map[*regexp.Regexp]*regexp.Regexp {
	all := regexp.MustCompile(``)
	return map[*regexp.Regexp]*regexp.Regexp{
		regexp.MustCompile(`^net$`):                                            regexp.MustCompile(`^(Dial|Lookup|Resolver|DefaultResolver)`),
		regexp.MustCompile(`^crypto/tls$`):                                     regexp.MustCompile(`^(Dial|Client$)`),
		regexp.MustCompile(`^net/http$`):                                       regexp.MustCompile(`^(Client|Transport|DefaultClient|DefaultTransport|Get|Post|PostForm|Head)$`),
		regexp.MustCompile(`^net/(smtp|rpc)|^net/http/httputil$|^log/syslog$`): all,
		regexp.MustCompile(`^go\.opentelemetry\.io/otel/exporters/otlp|^google\.golang\.org/grpc|^github\.com/getsentry/`):             all,
		regexp.MustCompile(`^github\.com/(minio/minio-go/v7|aws/|redis/|go-redis/|gomodule/redigo|valkey-io/)|rueidis|^gocloud\.dev/`): all,
	}
}

// A service that hangs takes everything along that waits for it, so a breaker stands around every call that leaves the server. A
// new call is found here, before it is found at night.
func TestOutsideCallsHaveABreaker(t *testing.T) {
	t.Parallel()
	found := map[string]string{} // file: the first call in it
	guarded := map[string]bool{} // packages with a breaker
	for _, s := range sources(t) {
		if s.test || s.generated || shipsNothing(s) || !within(s.path, "internal/api") && !within(s.path, "internal/base") {
			continue
		}
		if at := callsOut(t, s); at != "" {
			found[s.path] = at
		}
		guarded[s.dir] = guarded[s.dir] || makesBreaker(s)
	}
	listed := outsideCalls()
	for file, at := range found {
		i := slices.IndexFunc(listed, func(c outsideCall) bool { return c.path == file })
		switch {
		case i < 0:
			t.Errorf("%s calls out of the process: put a base/breaker around it and list the file in outsideCalls, or say there why it needs none", at)
		case listed[i].exempt == "" && !guarded[path.Dir(file)]:
			t.Errorf("%s calls out of the process, and nothing in its package makes a base/breaker", at)
		}
	}
	for _, c := range listed {
		if found[c.path] == "" {
			t.Errorf("outsideCalls lists %s, which calls nothing", c.path)
		}
	}
}

// callsOut returns where a file reaches out of the process first, by the packages that it imports.
func callsOut(t *testing.T, s *source) (at string) {
	t.Helper()
	names := map[string]*regexp.Regexp{} // the package as the file calls it: what of it reaches out
	for _, imp := range s.file.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		for pkg, reaches := range outward() {
			if !pkg.MatchString(p) {
				continue
			}
			if reaches.String() == "" {
				return s.at(imp)
			}
			name := path.Base(p)
			if imp.Name != nil {
				name = imp.Name.Name
			}
			names[name] = reaches
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || at != "" {
			return at == ""
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && names[pkg.Name] != nil && names[pkg.Name].MatchString(sel.Sel.Name) {
			at = s.at(n)
		}
		return true
	})
	return at
}

// makesBreaker says whether a file calls breaker.New.
func makesBreaker(s *source) (made bool) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && isCall(e, "breaker.New") {
			made = true
		}
		return !made
	})
	return made
}
