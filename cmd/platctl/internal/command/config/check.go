package config

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// CheckResult is the data of `platctl config check --json`.
type CheckResult struct {
	Environment string   `json:"environment"`
	Files       []string `json:"files"`
	Secrets     int      `json:"secrets"` // secret references that resolved
}

func newCheck(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "check",
		Short: "Check the configuration as serve would read it",
		Long: "Reads the configuration, validates every value and resolves every secret reference, without printing any.\n" +
			"It connects to nothing.",
		Example: `
			platctl config check
			platctl config check --config configs/production.yaml
			platctl config check --json && systemctl restart platctl`,
		Result: CheckResult{},
		Run: func(_ context.Context, cmd *cobra.Command, _ []string) error {
			s, err := d.Settings()
			if err != nil {
				return err
			}
			res := CheckResult{Environment: s.Config.Environment, Files: s.Files}
			secrets, err := s.ServerSecrets()
			if err != nil {
				return err
			}
			if _, err := d.Mailer(); err != nil {
				return err
			}
			for _, set := range []bool{secrets.DatabaseURL != "", !secrets.SigningKeys.IsZero(), secrets.IDKey != nil, secrets.SMTPURL != "", secrets.RedisURL != ""} {
				if set {
					res.Secrets++
				}
			}
			return d.Printer(cmd).Result(res, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "configuration is valid: environment %s, %d files, %d secrets resolved\n",
					res.Environment, len(res.Files), res.Secrets)
				return err
			})
		},
	})
}
