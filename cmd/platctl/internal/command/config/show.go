package config

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
)

// ShowResult is the data of `platctl config show --json`.
type ShowResult struct {
	Files  []string         `json:"files"`
	Values []settings.Value `json:"values"`
}

func newShow(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "show",
		Short: "Print every value with its origin, secrets redacted",
		Long: "Prints every key with its value and the flag, environment variable, file or default it came from.\n" +
			"Secrets are shown as references or redacted.",
		Example: `
			platctl config show
			platctl config show --config configs/production.yaml
			platctl config show --json | jq -r '.data.values[] | select(.origin != "default") | .key'`,
		Result: ShowResult{},
		Run: func(_ context.Context, cmd *cobra.Command, _ []string) error {
			s, err := d.Settings()
			if s == nil {
				return err
			}
			p := d.Printer(cmd)
			res := ShowResult{Files: s.Files, Values: s.Values}
			return p.Answer(res, err, func(w io.Writer) error {
				rows := make([][]string, len(s.Values))
				for i, v := range s.Values {
					rows[i] = []string{v.Key, v.Value, v.Origin}
				}
				return p.Table(w, []string{"KEY", "VALUE", "ORIGIN"}, rows)
			})
		},
	})
}
