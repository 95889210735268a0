package ratelimit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

func declared(t testing.TB) limits.Policy {
	t.Helper()
	p, err := ratelimit.Declared(openapi.Spec())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Our spec declares a limit for every operation but the probes, and nothing that hashes or searches goes without a ceiling.
func TestOurSpecDeclaresLimits(t *testing.T) {
	t.Parallel()
	p := declared(t)
	for _, op := range apitest.Operations(t) {
		o, ok := p.Operations[op.ID]
		if probe := op.ID == "getHealth" || op.ID == "getReady"; !ok || (o.Class == limits.Exempt) != probe {
			t.Errorf("%s is declared as %+v, %v", op.ID, o, ok)
		}
	}
	if p.Mode != limits.Shadow || p.Operations["listPosts"].Class != "" || p.Operations["createPost"].Class != "write" ||
		p.Operations["getMe"].Class != "read" || p.Operations["listFeed"].Cost != 2 {
		t.Errorf("%+v", p)
	}
	if p.Operations["picture"].Class != "picture" || p.Operations["uploadMedia"].Class != "upload" {
		t.Error("pictures draw on what the other operations have")
	}
	for _, class := range []string{"password", "search", "upload"} {
		if p.Classes[class].Global == nil {
			t.Errorf("%s has no ceiling", class)
		}
	}
	if p.Classes["session"].Global != nil || p.Classes["order"].Global != nil {
		t.Error("refresh and orders are the last to be turned away, so they have no ceiling for all")
	}
}

// The three ways to declare a limit, and what is wrong about others.
func TestDeclared(t *testing.T) {
	t.Parallel()
	const spec = `
x-ratelimit: {reads: read, writes: none, beside: {file: {class: read, cost: 4}}, classes: {read: {user: {rate: 5/s, burst: 10}}}}
paths:
  /a:
    parameters: []
    summary: no operation
    get: {operationId: getA}
    post: {operationId: makeA}
  /b:
    get: {operationId: getB, x-ratelimit: none}
    put: {operationId: putB, x-ratelimit: {class: read, cost: 3}}
    post: {operationId: makeB, x-ratelimit: {cost: 2, user: {rate: 1/m, burst: 4}, global: {rate: 9/s, burst: 9}}}
`
	p, err := ratelimit.Declared([]byte(spec))
	if err != nil {
		t.Fatal(err)
	}
	for op, want := range map[string]limits.Operation{
		"getA": {Class: "read"}, "makeA": {Class: "none"}, "getB": {Class: "none"}, "file": {Class: "read", Cost: 4}, "putB": {Class: "read", Cost: 3}, "makeB": {Class: "make-b", Cost: 2},
	} {
		if got := p.Operations[op]; got != want {
			t.Errorf("%s: %+v, want %+v", op, got, want)
		}
	}
	own := p.Classes["make-b"]
	if own.User == nil || *own.User != (limits.Limit{Rate: limits.Rate{Count: 1, Per: time.Minute}, Burst: 4}) || own.Global == nil {
		t.Errorf("own limits: %+v", own)
	}
	for name, spec := range map[string]string{
		"no class of that name": "x-ratelimit: {reads: none, writes: none}\npaths: {/a: {get: {operationId: a, x-ratelimit: x}}}",
		"not a rate":            "x-ratelimit: {reads: none, writes: none}\npaths: {/a: {get: {operationId: a, x-ratelimit: {user: {rate: often, burst: 1}}}}}",
		"nothing for reads":     "paths: {}",
		"not YAML":              "\t",
	} {
		if _, err := ratelimit.Declared([]byte(spec)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
