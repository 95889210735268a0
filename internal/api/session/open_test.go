package session_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// What the limit of sessions adds to a login, beside the 30 ms of its hash: the bare insert, and an account at its limit, whose
// every login ends a session in the same transaction.
func BenchmarkOpen(b *testing.B) {
	pool, err := pg.Open(b.Context(), pgtest.New(b, apitest.Template(b)), pg.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	b.Run("bare", func(b *testing.B) {
		id, q := benchAccount(b, pool, "bare"), db.New(pool)
		for b.Loop() {
			_, err := q.CreateSession(b.Context(), db.CreateSessionParams{UserID: id, PasswordHash: "x", HmacKey: make([]byte, 32), TtlSeconds: 3600})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("at the limit", func(b *testing.B) {
		id := benchAccount(b, pool, "limit")
		s := session.New(pool, session.NewDenyMap(), session.Options{AccessTTL: time.Minute, RefreshTTL: time.Hour})
		for range session.DefaultMaxSessions {
			openSession(b, s, id)
		}
		for b.Loop() {
			openSession(b, s, id)
		}
	})
}

func benchAccount(b *testing.B, pool *pgxpool.Pool, handle string) (id int64) {
	b.Helper()
	err := pool.QueryRow(b.Context(), "insert into users (handle, display_name, password_hash) values ('bench_' || $1, 'B', 'x') returning id", handle).Scan(&id)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

func openSession(b *testing.B, s *session.Service, account int64) {
	b.Helper()
	err := s.Change(b.Context(), func(c *session.Change) error {
		_, err := c.Open(b.Context(), account, "x", "bench")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
