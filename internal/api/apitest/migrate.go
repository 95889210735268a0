package apitest

import (
	"context"
	"io/fs"
	"strings"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/base/pg"
)

func applyMigrations(ctx context.Context, url string) error {
	conn, err := pg.Connect(ctx, url, "apitest")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	files, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := fs.ReadFile(postgres.Migrations(), f)
		if err != nil {
			return err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		if _, err := conn.PgConn().Exec(ctx, up).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}
