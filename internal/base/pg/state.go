// Package pg temp.
package pg

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsUniqueViolation says whether err is SQLSTATE 23505.
func IsUniqueViolation(err error) bool { return hasState(err, "23505") }

// IsForeignKeyViolation says whether err is SQLSTATE 23503.
func IsForeignKeyViolation(err error) bool { return hasState(err, "23503") }

func hasState(err error, state string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == state
}
