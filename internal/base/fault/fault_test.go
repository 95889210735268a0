package fault_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The exit codes are a promise to scripts and the statuses one to clients: both tables are pinned.
func TestTables(t *testing.T) {
	t.Parallel()
	var kinds, exits bytes.Buffer
	fmt.Fprintf(&kinds, "%-20s %-6s %-4s %s\n", "KIND", "STATUS", "EXIT", "TITLE")
	codes := map[int]bool{}
	for _, m := range fault.Table() {
		fmt.Fprintf(&kinds, "%-20s %-6d %-4d %s\n", m.Kind, m.Status, m.Exit, m.Title)
		codes[m.Exit] = true
	}
	for _, e := range fault.Exits() {
		fmt.Fprintf(&exits, "%d\t%s\n", e.Code, e.Meaning)
		if e.Code != 0 && !codes[e.Code] {
			t.Errorf("no kind leads to exit code %d", e.Code)
		}
		delete(codes, e.Code)
	}
	for c := range codes {
		t.Errorf("exit code %d has no meaning in Exits", c)
	}
	golden.Check(t, "testdata/kinds.golden", kinds.Bytes(), *update)
	golden.Check(t, "testdata/exits.golden", exits.Bytes(), *update)
}

// A kind that is not in the table would answer as an internal error without anybody noticing.
func TestEveryKindIsInTheTable(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "kind.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[fault.Kind]bool{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			lit := s.(*ast.ValueSpec).Values[0].(*ast.BasicLit)
			v, _ := strconv.Unquote(lit.Value)
			declared[fault.Kind(v)] = true
		}
	}
	for _, m := range fault.Table() {
		if !declared[m.Kind] {
			t.Errorf("row %s is no declared kind, or stands twice", m.Kind)
		}
		delete(declared, m.Kind)
	}
	for k := range declared {
		t.Errorf("kind %s is not in the table", k)
	}
	if got := fault.Lookup("no such kind"); got.Kind != fault.Internal {
		t.Errorf("an unknown kind is looked up as %s", got.Kind)
	}
}

func TestKindSurvivesWrapping(t *testing.T) {
	t.Parallel()
	cause := errors.New("socket closed")
	err := fmt.Errorf("outer: %w", fault.Op("deploy", fault.Wrap(cause, fault.Busy, "the lock is held").WithHint("wait")))
	if !errors.Is(err, fault.Busy) || errors.Is(err, fault.No) || !errors.Is(err, cause) {
		t.Errorf("kinds of %v are wrong", err)
	}
	if got := fault.KindOf(err); got != fault.Busy {
		t.Errorf("KindOf = %s", got)
	}
	if e := fault.From(err); e.Hint != "wait" || e.Op != "deploy" {
		t.Errorf("From lost the hint or the operation: %+v", e)
	}
	if got := fault.Op("second", fault.Op("first", fault.New(fault.No, "x"))).Error(); got != "first: x" {
		t.Errorf("the operation is named once: %q", got)
	}
	if got := fault.KindOf(fmt.Errorf("read: %w", context.Canceled)); got != fault.Canceled {
		t.Errorf("a cancelled context is %s", got)
	}
	if fault.Wrap(nil, fault.No, "x") != nil || fault.Op("x", nil) != nil {
		t.Error("no error must stay no error")
	}
}
