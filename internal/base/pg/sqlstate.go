package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/fault"
)

// SQLSTATE codes that the tree decides on.
const (
	ForeignKeyViolation   = "23503"
	UniqueViolation       = "23505"
	CheckViolation        = "23514"
	UndefinedDatabase     = "3D000"
	SerializationFailure  = "40001"
	DeadlockDetected      = "40P01"
	DuplicateDatabase     = "42P04"
	InsufficientPrivilege = "42501"
	UndefinedTable        = "42P01"
	TooManyConnections    = "53300"
	ObjectInUse           = "55006"
	LockNotAvailable      = "55P03"
	QueryCanceled         = "57014"
	AdminShutdown         = "57P01"
	CrashShutdown         = "57P02"
	CannotConnectNow      = "57P03"
)

// State returns the SQLSTATE of err, empty where it isn't an error of the server.
func State(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Is says whether err is an error of the server with this SQLSTATE.
func Is(err error, state string) bool { return State(err) == state }

// Constraint returns the name of the constraint that err violates, empty where there is none.
func Constraint(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.ConstraintName
	}
	return ""
}

// Down says whether err means that the server can't be reached or is going away, as opposed to a statement that failed.
func Down(err error) bool {
	switch State(err) {
	case TooManyConnections, AdminShutdown, CrashShutdown, CannotConnectNow:
		return true
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return strings.HasPrefix(State(err), "08") || errors.As(err, &connect) || errors.Is(err, fault.Unavailable) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// Unreachable turns a failed connection into a fault that names the reason and no address.
func Unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Unavailable, "the database can't be reached: %s", reason(err)).
		WithHint("check database.url; `platctl config show` prints where it comes from")
}

func reason(err error) string {
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e):
		return e.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err
	}
	return "the connection failed"
}
