// Package platctl is the k6 extension of platctl: the JavaScript module k6/x/platctl, the output --out platctl=FILE and
// the subcommand `k6 x platctl`.
//
// Invariants: importing the package registers all three and does nothing else. It imports k6 v2; a k6 of another major
// version would compile it and then not see it.
package platctl

import (
	"go.k6.io/k6/v2/js/modules"
	"go.k6.io/k6/v2/output"
	"go.k6.io/k6/v2/subcommand"

	"github.com/platctl/platctl/xk6-ext/internal/command"
	"github.com/platctl/platctl/xk6-ext/internal/record"
	"github.com/platctl/platctl/xk6-ext/internal/script"
)

func init() {
	modules.Register("k6/x/platctl", script.Module{})
	output.RegisterExtension("platctl", record.New)
	subcommand.RegisterExtension("platctl", command.New)
}
