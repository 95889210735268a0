package auth

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/session"
)

func newStatus(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "status",
		Short: "Tell whether every server knows what is revoked",
		Long: "Compares what each server had applied at its last heart-beat with what is revoked. A revocation reaches every\n" +
			"server within a second; one that falls behind stops trusting tokens after 5 seconds and asks the database at each\n" +
			"request. The answer is no (3) when a server is behind or silent, or when none has a heart-beat.",
		Example: `
			platctl auth status
			platctl auth status --config configs/production.yaml
			platctl auth status --json | jq -r '.data.replicas[] | select(.state != "current") | .id'`,
		Exits:  []int{3, 6},
		Result: session.Status{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return with(ctx, d, func(k desk) error {
				st, err := session.ReadStatus(ctx, k.conn)
				if err != nil {
					return err
				}
				p := d.Printer(cmd)
				return p.Answer(st, st.Verdict(), func(w io.Writer) error {
					if _, err := fmt.Fprintf(w, "%d live revocations, backlog %d\n", st.Revocations, st.Backlog); err != nil {
						return err
					}
					return p.Table(w, []string{"SERVER", "STATE", "BACKLOG", "BEHIND", "LAST BEAT", "STARTED"}, replicaRows(st))
				})
			})
		},
	})
}

func replicaRows(st session.Status) [][]string {
	rows := make([][]string, len(st.Replicas))
	for i, r := range st.Replicas {
		rows[i] = []string{r.ID, string(r.State), strconv.FormatInt(r.Backlog, 10), fmt.Sprintf("%.1fs", r.BehindSeconds),
			fmt.Sprintf("%.1fs ago", r.SilentSeconds), r.StartedAt.Format(time.RFC3339)}
	}
	return rows
}
