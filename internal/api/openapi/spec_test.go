package openapi_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/platctl/platctl/internal/api/openapi"
)

// node is one place in the spec.
type node struct {
	path []string
	m    map[string]any
}

func (n node) String() string { return strings.Join(n.path, ".") }

// nodes returns every mapping of the spec, with its path.
func nodes(t *testing.T) []node {
	t.Helper()
	var root any
	if err := yaml.Unmarshal(openapi.Spec(), &root); err != nil {
		t.Fatal(err)
	}
	var out []node
	var walk func(path []string, v any)
	walk = func(path []string, v any) {
		switch x := v.(type) {
		case map[string]any:
			out = append(out, node{slices.Clone(path), x})
			for k, sub := range x {
				walk(append(path, k), sub)
			}
		case []any:
			for i, sub := range x {
				walk(append(path, fmt.Sprint(i)), sub)
			}
		}
	}
	walk(nil, root)
	return out
}

// The generated code compiles a pattern that RE2 can't with another engine, whose match timeout is 15 seconds.
func TestPatternsAreRE2(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, n := range nodes(t) {
		p, ok := n.m["pattern"].(string)
		if !ok {
			continue
		}
		seen++
		if _, err := regexp.Compile(p); err != nil {
			t.Errorf("%s: pattern %q is not RE2: %v", n, p, err)
		}
		if !strings.HasPrefix(p, "^") || !strings.HasSuffix(p, "$") {
			t.Errorf("%s: pattern %q is not anchored: it matches a part", n, p)
		}
	}
	if seen == 0 {
		t.Fatal("no pattern found: the walk is broken")
	}
}

// What ogen accepts and does not enforce must not stand in the spec: it would be a promise nobody keeps.
func TestNothingUnenforced(t *testing.T) {
	t.Parallel()
	dead := []string{"const", "unevaluatedProperties", "dependentRequired", "propertyNames", "if", "then", "contains", "prefixItems",
		"contentEncoding"}
	for _, n := range nodes(t) {
		for _, k := range dead {
			if _, ok := n.m[k]; ok && len(n.path) > 0 && n.path[len(n.path)-1] != "properties" {
				t.Errorf("%s: %s is accepted by the generator and not enforced", n, k)
			}
		}
	}
}

// Unknown fields pass unless the schema forbids them.
func TestRequestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	closed := 0
	for _, n := range nodes(t) {
		name := n.path
		if len(name) != 3 || name[0] != "components" || name[1] != "schemas" || !strings.HasSuffix(name[2], "Request") {
			continue
		}
		if n.m["additionalProperties"] != false {
			t.Errorf("%s: additionalProperties is not false", n)
		}
		closed++
	}
	for _, n := range nodes(t) {
		if _, ok := n.m["requestBody"]; !ok {
			continue
		}
		ref := fmt.Sprint(n.m["requestBody"])
		if strings.Contains(ref, "application/octet-stream") {
			continue // bytes as they are
		}
		if !regexp.MustCompile(`schemas/[A-Za-z]+Request`).MatchString(ref) {
			t.Errorf("%s: its body is not a schema named ...Request", n)
		}
		closed--
	}
	if closed != 0 {
		t.Errorf("%d request schemas more than operations with a body", closed)
	}
}

// Without x-ogen-time-format a time loses its microseconds: PostgreSQL's and the answer's would differ.
func TestTimesKeepMicroseconds(t *testing.T) {
	t.Parallel()
	for _, n := range nodes(t) {
		if n.m["format"] == "date-time" && n.m["x-ogen-time-format"] != "2006-01-02T15:04:05.000000Z07:00" {
			t.Errorf("%s: date-time without our x-ogen-time-format", n)
		}
	}
}

// Three constructs that generate bad code: format uri in answers is parsed and printed per row; Set-Cookie is a single
// header; an optional response header turns a shared body into a wrapper type per status.
func TestResponsesAvoidTraps(t *testing.T) {
	t.Parallel()
	for _, n := range nodes(t) {
		if n.m["format"] == "uri" {
			t.Errorf("%s: format uri costs a url.Parse a row; use a plain string", n)
		}
		headers, ok := n.m["headers"].(map[string]any)
		if !ok || !slices.Contains(n.path, "responses") || slices.Contains(n.path, "TooManyRequests") { // which is not generated
			continue
		}
		for name, h := range headers {
			if strings.EqualFold(name, "Set-Cookie") {
				t.Errorf("%s: one Set-Cookie per answer is all the generator can do", n)
			}
			if hm, ok := h.(map[string]any); ok && hm["required"] != true {
				t.Errorf("%s: response header %s is optional", n, name)
			}
		}
	}
}

// The generated encoder leaves 90 KB of garbage for a page; a list is a raw response with a pooled encoder instead.
func TestListsAreRaw(t *testing.T) {
	t.Parallel()
	lists := 0
	for _, n := range nodes(t) {
		id, _ := n.m["operationId"].(string)
		if !strings.HasPrefix(id, "list") {
			continue
		}
		lists++
		if !strings.Contains(fmt.Sprint(n.m["responses"]), "x-ogen-raw-response:true") {
			t.Errorf("%s: list without x-ogen-raw-response", id)
		}
	}
	if lists == 0 {
		t.Fatal("no list operation found")
	}
}

// Every operation answers errors the same way and says what it is.
func TestOperationsAreComplete(t *testing.T) {
	t.Parallel()
	for _, n := range nodes(t) {
		if n.m["operationId"] == nil {
			continue
		}
		responses, _ := n.m["responses"].(map[string]any)
		if fmt.Sprint(responses["default"]) != "map[$ref:#/components/responses/Problem]" {
			t.Errorf("%s: default response is not Problem", n)
		}
		if n.m["summary"] == nil || n.m["tags"] == nil {
			t.Errorf("%s: no summary or no tag", n)
		}
	}
}

// Every operation but the probes can be refused for its rate, and says so with the same answer. The generator leaves 429 out
// (see `make generate`): it is the middleware's.
func TestOperationsDocumentTheirLimit(t *testing.T) {
	t.Parallel()
	for _, n := range nodes(t) {
		id, _ := n.m["operationId"].(string)
		if id == "" || id == "getHealth" || id == "getReady" {
			continue
		}
		responses, _ := n.m["responses"].(map[string]any)
		if fmt.Sprint(responses["429"]) != "map[$ref:#/components/responses/TooManyRequests]" {
			t.Errorf(`%s: before its default response add the line   "429": { $ref: "#/components/responses/TooManyRequests" }`, id)
		}
	}
}
