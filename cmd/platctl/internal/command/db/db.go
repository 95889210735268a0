// Package db is `platctl db`: the private PostgreSQL.
package db

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// New returns `platctl db`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("db", "Run the private PostgreSQL, fill the database and check it", newStart(d), newStop(d), newStatus(d), newPsql(d),
		newSeed(d), newVerify(d), newIndexes(d))
}
