package media

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/media"
)

func newGC(d *command.Deps) *cobra.Command {
	var dryRun bool
	cmd := command.New(command.Spec{
		Use:   "gc [--dry-run]",
		Short: "Remove pictures and bytes that nothing needs",
		Long: "Does now what every server does each hour: pictures that were announced a day ago and never sent have failed; those\n" +
			"attached to nothing for a day, of deleted posts and of purged accounts go, with their bytes; so do uploads of failures\n" +
			"after a week, and objects in the store that no row knows after a day. What is shown stays. It may run beside servers.",
		Example: `
			platctl media gc --dry-run
			platctl media gc --config configs/production.yaml
			platctl media gc --dry-run --json | jq .data.orphans`,
		Exits:  []int{6},
		Result: media.Cleaned{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return desk(ctx, d, func(s *media.Service) error {
				res, err := s.CleanUp(ctx, dryRun)
				if err != nil {
					return err
				}
				p := d.Printer(cmd)
				return p.Result(res, func(w io.Writer) error {
					if dryRun {
						if _, err := fmt.Fprintln(w, "nothing was removed; this would be, and the bytes of the pictures with them:"); err != nil {
							return err
						}
					}
					return p.Table(w, []string{"WHAT", "NUMBER"}, [][]string{
						{"announced and never sent", strconv.FormatInt(res.Expired, 10)},
						{"pictures attached to nothing", strconv.FormatInt(res.Unused, 10)},
						{"bytes of no picture", strconv.FormatInt(res.Blobs, 10)},
						{"uploads of failures", strconv.FormatInt(res.Uploads, 10)},
						{"objects without a row", strconv.FormatInt(res.Orphans, 10)},
					})
				})
			})
		},
	})
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be removed; change nothing")
	return cmd
}
