package command

import (
	"context"

	"github.com/platctl/platctl/internal/base/fault"
)

// Interrupted is err, but an interruption that left this state where a signal came: err itself is whatever the statement under
// way came to, and that is not always context.Canceled.
func Interrupted(ctx context.Context, err error, state, hint string) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fault.New(fault.Canceled, "interrupted; %s", state).WithHint("%s", hint)
}
