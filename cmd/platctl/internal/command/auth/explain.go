package auth

import (
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// explain turns what the database says about a schema that is too old into the next step.
func explain(err error) error {
	if pg.Is(err, pg.UndefinedTable) {
		return fault.Wrap(err, fault.Unavailable, "the schema of this database is too old").
			WithHint("`platctl migrate status` shows the schema; `platctl migrate up` brings it forward")
	}
	return err
}
