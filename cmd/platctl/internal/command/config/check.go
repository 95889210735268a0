package config

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
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
			if res.Secrets, err = resolveAll(s); err != nil {
				return err
			}
			return d.Printer(cmd).Result(res, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "configuration is valid: environment %s, %d files, %d secrets resolved\n",
					res.Environment, len(res.Files), res.Secrets)
				return err
			})
		},
	})
}

func resolveAll(s *settings.Settings) (int, error) {
	c := s.Config
	refs := map[string]config.Secret{
		"database.url": c.Database.URL, "auth.signing_key": c.Auth.SigningKey, "auth.id_key": c.Auth.IDKey,
	}
	if c.Environment == config.Production {
		for key, ref := range refs {
			if ref == "" {
				return 0, fault.New(fault.Config, "%s is not set; production needs it", key).
					WithHint("set %s to env:NAME or file:PATH", settings.EnvName(key))
			}
		}
	}
	n := 0
	for key, ref := range refs {
		if ref == "" {
			continue
		}
		if _, err := s.Secret(key, ref); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
