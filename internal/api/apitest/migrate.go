package apitest

import (
	"context"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// applyMigrations brings a database to the newest schema as `platctl migrate up` does.
func applyMigrations(ctx context.Context, url string) error {
	m, err := migrate.New(postgres.Migrations(), migrate.Options{ToolVersion: "test"})
	if err != nil {
		return err
	}
	_, err = m.Up(ctx, url, 0)
	return err
}
