package keys

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
)

// ListResult is the data of `platctl keys list --json`.
type ListResult struct {
	Source string `json:"source"` // a path, or a reference
	Keys   []Key  `json:"keys"`   // the oldest first
}

func newList(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "list",
		Short: "List the keys that sign access tokens",
		Long: "Lists the ring of auth.signing_key: which key signs, which one waits to, which ones are still believed and until\n" +
			"when. It shows no key, only names, and asks no server: one that runs has read the file within two seconds.\n\n" + onlySigning,
		Example: `
			platctl keys list
			platctl keys list --config configs/production.yaml
			platctl keys list --json | jq -r '.data.keys[] | select(.state == "signs") | .kid'`,
		Result: ListResult{},
		Run: func(_ context.Context, cmd *cobra.Command, _ []string) error {
			s, err := d.Settings()
			if err != nil {
				return err
			}
			p, err := place(s)
			if err != nil {
				return err
			}
			ring, err := p.Load()
			if err != nil {
				return err
			}
			res := ListResult{Source: shown(s, p), Keys: describe(ring, d.Now())}
			printer := d.Printer(cmd)
			return printer.Result(res, func(w io.Writer) error {
				if _, err := fmt.Fprintln(w, "keys of "+res.Source); err != nil {
					return err
				}
				return table(printer, w, res.Keys)
			})
		},
	})
}

func table(p *output.Printer, w io.Writer, keys []Key) error {
	tell := func(t *time.Time, absent string) string {
		if t == nil {
			return absent
		}
		return t.Format(time.RFC3339)
	}
	rows := make([][]string, len(keys))
	for i, k := range keys {
		rows[i] = []string{k.Kid, string(k.State), tell(k.Made, "-"), tell(k.SignsFrom, "always"), tell(k.VerifiesUntil, "next rotation")}
	}
	return p.Table(w, []string{"KEY", "STATE", "MADE", "SIGNS FROM", "BELIEVED UNTIL"}, rows)
}
