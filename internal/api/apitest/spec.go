package apitest

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/publicid"
)

// Auth is whether an operation takes a token.
type Auth string

// What the spec says about tokens.
const (
	Public   Auth = "public"
	Optional Auth = "optional"
	Required Auth = "required"
)

// Bytes is the Body of an operation that takes bytes as they are.
const Bytes = "bytes"

// Operation is one operation of the spec, as tests that are generated from it need it.
type Operation struct {
	ID, Method, Path string
	Auth             Auth
	Success          int      // its 2xx status, the lowest of several
	Target           string   // the kind of the {id} in its path ("user"), empty without one
	Member           bool     // whether its path names a {user} below the {id}
	Query            []string // the names of its query parameters
	Needs            []string // those of them that are required
	Body             string   // the name of its body's schema, Bytes for one that is no JSON, empty without one
	Answers          []string // the names of the schemas of its successes
}

// Reads says whether the operation changes nothing.
func (o Operation) Reads() bool { return o.Method == http.MethodGet }

// Operations returns every operation of the spec, by path and method.
func Operations(t testing.TB) []Operation {
	t.Helper()
	var s document
	if err := yaml.Unmarshal(openapi.Spec(), &s); err != nil {
		t.Fatal(err)
	}
	var out []Operation
	for path, item := range s.Paths {
		for method, op := range item {
			out = append(out, s.operation(t, path, strings.ToUpper(method), op))
		}
	}
	slices.SortFunc(out, func(a, b Operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	if len(out) == 0 {
		t.Fatal("the spec has no operation: the reader is broken")
	}
	return out
}

type document struct {
	Paths      map[string]map[string]operation
	Security   []map[string][]string
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]struct{ Pattern string }
	}
}

type ref struct {
	Ref string `yaml:"$ref"`
}

func (r ref) name() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

type parameter struct {
	ref      `yaml:",inline"`
	Name     string
	In       string
	Required bool
	Schema   ref
}

type operation struct {
	OperationID string `yaml:"operationId"`
	Security    *[]map[string][]string
	Parameters  []parameter
	RequestBody struct {
		Content map[string]struct{ Schema ref }
	} `yaml:"requestBody"`
	Responses map[string]struct {
		Content map[string]struct{ Schema ref }
	}
}

// kindOf finds the kind in the pattern of an id: ^user_[...]{11}$.
var kindOf = regexp.MustCompile(`^\^([a-z]+)_\[`)

func (s document) operation(t testing.TB, path, method string, op operation) Operation {
	t.Helper()
	out := Operation{ID: op.OperationID, Method: method, Path: path, Auth: s.auth(op), Body: op.RequestBody.Content["application/json"].Schema.name()}
	if _, raw := op.RequestBody.Content["application/octet-stream"]; raw {
		out.Body = Bytes
	}
	for code, res := range op.Responses {
		n, err := strconv.Atoi(code)
		if err != nil || n >= 300 {
			continue
		}
		if out.Success == 0 || n < out.Success {
			out.Success = n
		}
		if name := res.Content["application/json"].Schema.name(); name != "" {
			out.Answers = append(out.Answers, name)
		}
	}
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = s.Components.Parameters[p.name()]
		}
		s.parameter(t, &out, p)
	}
	return out
}

func (s document) parameter(t testing.TB, out *Operation, p parameter) {
	t.Helper()
	switch p.In {
	case "query":
		out.Query = append(out.Query, p.Name)
		if p.Required {
			out.Needs = append(out.Needs, p.Name)
		}
	case "path":
		if p.Name == "user" {
			out.Member = true
			return
		}
		m := kindOf.FindStringSubmatch(s.Components.Schemas[p.Schema.name()].Pattern)
		if p.Name != "id" || m == nil {
			t.Fatalf("%s: path parameter %s is not an {id} of a known kind", out.ID, p.Name)
		}
		out.Target = m[1]
	}
}

func (s document) auth(op operation) Auth {
	schemes := s.Security
	if op.Security != nil {
		schemes = *op.Security
	}
	anonymous := slices.ContainsFunc(schemes, func(m map[string][]string) bool { return len(m) == 0 })
	switch {
	case len(schemes) == 0:
		return Public
	case anonymous:
		return Optional
	}
	return Required
}

// IDKey is the key of the ids of every Env.
func IDKey() []byte { return bytes.Repeat([]byte{9}, 16) }

// Codec makes and reads the public ids of an Env.
func Codec(t testing.TB) *publicid.Codec {
	t.Helper()
	c, err := publicid.New(IDKey())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Nobody returns the nth id of a kind behind which there is nothing.
func Nobody(t testing.TB, k publicid.Kind, n int) string {
	t.Helper()
	return Codec(t).Encode(k, 1<<40+int64(n))
}

// String names the operation in messages.
func (o Operation) String() string { return fmt.Sprintf("%s (%s %s)", o.ID, o.Method, o.Path) }
