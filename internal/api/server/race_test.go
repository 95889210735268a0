package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/postgres/db"
)

// reaction is something that moves a counter, as Ana, on a post of Ben's.
type reaction struct {
	name    string
	prepare func(t *testing.T, a *client.Client, post client.PostId) // may be nil
	do      func(ctx context.Context, q *db.Queries, ana, post int64) error
}

func reactions() []reaction {
	like := func(t *testing.T, a *client.Client, post client.PostId) {
		if _, err := a.LikePost(t.Context(), client.LikePostParams{ID: post}); err != nil {
			t.Fatal(err)
		}
	}
	comment := func(t *testing.T, a *client.Client, post client.PostId) {
		_, err := a.CreateComment(t.Context(), &client.CreateCommentRequest{Body: "sweet"}, client.CreateCommentParams{ID: post})
		if err != nil {
			t.Fatal(err)
		}
	}
	return []reaction{
		{"like", nil, func(ctx context.Context, q *db.Queries, ana, post int64) error {
			return errOf(q.LikePost(ctx, db.LikePostParams{ViewerID: ana, PostID: post}))
		}},
		{"unlike", like, func(ctx context.Context, q *db.Queries, ana, post int64) error {
			return errOf(q.UnlikePost(ctx, db.UnlikePostParams{ViewerID: ana, PostID: post}))
		}},
		{"comment", nil, func(ctx context.Context, q *db.Queries, ana, post int64) error {
			return errOf(q.CreateComment(ctx, db.CreateCommentParams{ViewerID: ana, PostID: post, Body: "sweet"}))
		}},
		{"delete comment", comment, func(ctx context.Context, q *db.Queries, ana, _ int64) error {
			return errOf(q.DeleteComment(ctx, db.DeleteCommentParams{ViewerID: ana, ID: 1}))
		}},
	}
}

// Whatever moves a counter while its author leaves, the counter is right afterwards: whoever comes second waits for the first
// and sees what it did.
func TestReactingWhileLeaving(t *testing.T) {
	t.Parallel()
	leave := func(ctx context.Context, tx pgx.Tx, ana int64) error {
		return errOf(tx.Exec(ctx, "update users set deleted_at = now(), purge_at = now() where id = $1", ana))
	}
	for _, r := range reactions() {
		react := func(ctx context.Context, tx pgx.Tx, ana int64) error { return r.do(ctx, db.New(tx), ana, 1) }
		for name, order := range map[string][2]func(context.Context, pgx.Tx, int64) error{
			r.name + " first": {react, leave}, r.name + " second": {leave, react},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				env := apitest.New(t)
				_, b := env.Signup("ben")
				_, a := env.Signup("ana")
				post := newPost(t, b, "pears")
				if r.prepare != nil {
					r.prepare(t, a, post)
				}
				oneAfterTheOther(t, env, func(ctx context.Context, tx pgx.Tx) error { return order[0](ctx, tx, 2) },
					func(ctx context.Context, tx pgx.Tx) error { return order[1](ctx, tx, 2) })
				noDrift(t, env)
			})
		}
	}
}

// oneAfterTheOther begins second while first is done and not committed, and lets first commit when second waits for it.
func oneAfterTheOther(t *testing.T, env *apitest.Env, first, second func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tx, err := env.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := first(ctx, tx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- pgx.BeginFunc(ctx, env.Pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "set local lock_timeout = 0; set local application_name = 'second'"); err != nil {
				return err
			}
			return second(ctx, tx)
		})
	}()
	for waits := false; !waits; {
		err := env.Pool.QueryRow(ctx, "select exists (select 1 from pg_stat_activity where application_name = 'second' and "+
			"datname = current_database() and wait_event_type = 'Lock')").Scan(&waits)
		if err != nil {
			t.Fatal("the second does not wait for the first: ", err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
}
