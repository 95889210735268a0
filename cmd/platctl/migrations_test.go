package main

import (
	"testing"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/ops/lint"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// What we ask of others' migrations, ours keep: no error that nobody has explained, and nothing that only a trace could tell.
func TestOwnMigrationsAreClean(t *testing.T) {
	t.Parallel()
	m, err := migrate.New(postgres.Migrations(), migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rep := lint.Lint(m.Migrations(), lint.Options{})
	for _, f := range rep.Open(lint.Error, lint.Trace) {
		t.Errorf("%s:%d (%s): %s %s: %s", f.File, f.Line, f.Direction, f.Rule, f.Name, f.Message)
	}
	if rep.Statements < 400 || rep.Allowed == 0 {
		t.Errorf("%s: is this all?", rep.Summary())
	}
}
