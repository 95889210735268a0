package media

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/postgres/db"
)

func newStatus(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "status",
		Short: "Tell whether uploads become pictures",
		Long: "Counts uploads by what became of them, and shows the newest 20 that failed or are tried again, with the number that\n" +
			"`platctl media retry` takes. It asks the database alone, not the store. The answer is no (3) when an upload has\n" +
			"waited for more than ten minutes.",
		Example: `
			platctl media status
			platctl media status --config configs/production.yaml
			platctl media status --json | jq -r '.data.troubled[] | select(.retryable) | .blob'`,
		Exits:  []int{3, 6},
		Result: media.Status{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return with(ctx, d, func(conn *pgx.Conn) error {
				st, err := media.ReadStatus(ctx, db.New(conn))
				if err != nil {
					return err
				}
				p := d.Printer(cmd)
				return p.Answer(st, st.Verdict(), func(w io.Writer) error { return printStatus(p, w, st) })
			})
		},
	})
}

func printStatus(p *output.Printer, w io.Writer, st media.Status) error {
	_, err := fmt.Fprintf(w, "%d waiting, the oldest for %s; %d announced and not sent\n", st.Pending,
		time.Duration(st.OldestSeconds*float64(time.Second)).Round(time.Second), st.Awaiting)
	if err != nil {
		return err
	}
	if len(st.Counts) > 0 {
		rows := make([][]string, len(st.Counts))
		for i, c := range st.Counts {
			rows[i] = []string{c.State, c.Code, strconv.FormatInt(c.Blobs, 10), fmt.Sprintf("%.1f", float64(c.Bytes)/1e6)}
		}
		if err := p.Table(w, []string{"STATE", "CODE", "UPLOADS", "MB SENT"}, rows); err != nil {
			return err
		}
	}
	if len(st.Troubled) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	rows := make([][]string, len(st.Troubled))
	for i, t := range st.Troubled {
		retryable := "no"
		if t.Retryable {
			retryable = "yes"
		}
		rows[i] = []string{strconv.FormatInt(t.Blob, 10), t.State, t.Code, retryable, t.Handle, t.CreatedAt.Format(time.RFC3339), t.Detail}
	}
	return p.Table(w, []string{"NUMBER", "STATE", "CODE", "RETRYABLE", "WHO", "SENT", "DETAIL"}, rows)
}
