package ratelimit

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// NewLedger returns the accounts in a PostgreSQL.
func NewLedger(connect func(ctx context.Context) (*pgx.Conn, error)) Accounts {
	return ledger{newLine(connect)}
}
