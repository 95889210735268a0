package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// Every statement that Warm asks is planned on the connection afterwards, and by then everything went well.
func TestWarm(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	pool, err := pg.Open(t.Context(), pgtest.New(t, apitest.Template(t)), pg.Options{MaxConns: 1, Warm: func(ctx context.Context, conn *pgx.Conn) error {
		err := postgres.Warm(ctx, conn)
		failed <- err
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := <-failed; err != nil {
		t.Error(err)
	}
	var planned int
	const sql = "select count(*) from pg_prepared_statements where generic_plans > 0 and statement ~ '^-- name: (HomeFeed|CreatePost|GetPost|ListUserPosts|ListComments|UserProfile|ListNotifications|ListProducts) '"
	if err := pool.QueryRow(t.Context(), sql).Scan(&planned); err != nil || planned != 8 {
		t.Errorf("%d statements are planned (%v), want 8", planned, err)
	}
	var written int
	if err := pool.QueryRow(t.Context(), "select (select count(*) from posts) + (select count(*) from app_events)").Scan(&written); err != nil || written != 0 {
		t.Errorf("%d rows were written (%v)", written, err)
	}
}
