package cli

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/command/auth"
	"github.com/platctl/platctl/cmd/platctl/internal/command/config"
	"github.com/platctl/platctl/cmd/platctl/internal/command/db"
	"github.com/platctl/platctl/cmd/platctl/internal/command/deploy"
	"github.com/platctl/platctl/cmd/platctl/internal/command/doctor"
	"github.com/platctl/platctl/cmd/platctl/internal/command/edge"
	"github.com/platctl/platctl/cmd/platctl/internal/command/hash_worker"
	"github.com/platctl/platctl/cmd/platctl/internal/command/history"
	"github.com/platctl/platctl/cmd/platctl/internal/command/keys"
	"github.com/platctl/platctl/cmd/platctl/internal/command/mail"
	"github.com/platctl/platctl/cmd/platctl/internal/command/media"
	"github.com/platctl/platctl/cmd/platctl/internal/command/media_worker"
	"github.com/platctl/platctl/cmd/platctl/internal/command/migrate"
	"github.com/platctl/platctl/cmd/platctl/internal/command/perf"
	"github.com/platctl/platctl/cmd/platctl/internal/command/ratelimit"
	"github.com/platctl/platctl/cmd/platctl/internal/command/release"
	"github.com/platctl/platctl/cmd/platctl/internal/command/rollback"
	"github.com/platctl/platctl/cmd/platctl/internal/command/sbom"
	"github.com/platctl/platctl/cmd/platctl/internal/command/serve"
	"github.com/platctl/platctl/cmd/platctl/internal/command/status"
	"github.com/platctl/platctl/cmd/platctl/internal/command/version"
)

// register hangs every command under root: one line a noun, in the order of the help.
func register(root *cobra.Command, d *command.Deps) {
	root.AddCommand(
		serve.New(d),
		deploy.New(d),
		rollback.New(d),
		status.New(d),
		history.New(d),
		edge.New(d),
		migrate.New(d),
		db.New(d),
		auth.New(d),
		keys.New(d),
		mail.New(d),
		media.New(d),
		ratelimit.New(d),
		release.New(d),
		sbom.New(d),
		perf.New(d),
		config.New(d),
		doctor.New(d),
		version.New(d),
		media_worker.New(d), // hidden: the server starts it
		hash_worker.New(d),
	)
}
