package localpg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/fault"
)

// EnsureDatabase makes the database where it is missing and returns its URL.
func (s *Server) EnsureDatabase(ctx context.Context, name string) (string, error) {
	url := s.URL(name)
	if conn, err := pgx.Connect(ctx, url); err == nil {
		return url, conn.Close(ctx)
	} else if sqlState(err) != "3D000" {
		return "", fault.Wrap(err, fault.Unavailable, "database %s can't be reached", name)
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "the private PostgreSQL can't be reached")
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	// 42P04 and 23505: somebody made it at the same time.
	if state := sqlState(err); err != nil && state != "42P04" && state != "23505" {
		return "", fault.Wrap(err, fault.Failed, "database %s can't be made", name)
	}
	return url, nil
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
