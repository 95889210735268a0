// Package history is `platctl history`.
package history

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// Result is the data of `platctl history --json`.
type Result struct {
	Total    int              `json:"total"` // events in the ledger
	Whole    bool             `json:"whole"` // the hash chain holds
	Problems []ledger.Problem `json:"problems,omitempty"`
	Torn     int              `json:"torn_bytes,omitempty"` // of a last line that a crash tore
	Events   []ledger.Event   `json:"events"`               // the last ones, oldest first
}

// New returns `platctl history`.
func New(d *command.Deps) *cobra.Command {
	var limit int
	cmd := command.New(command.Spec{
		Use:   "history [--limit N]",
		Short: "Show what was deployed and rolled back here, and verify the record",
		Long: "Prints the last events of the ledger, oldest first, and verifies the whole hash chain. It reads a local file and\n" +
			"changes nothing. Exit 3 says that the chain is broken; the events are printed all the same.",
		Example: `
			platctl history
			platctl history --limit 0
			platctl history --json | jq -r '.data.events[] | select(.kind == "rollback") | .why'`,
		Exits:  []int{3, 6},
		Result: Result{},
		Run: func(_ context.Context, cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return fault.New(fault.Usage, "--limit %d is negative", limit)
			}
			h, _, err := host.Open(d)
			if err != nil {
				return err
			}
			log, err := h.History()
			if err != nil {
				return err
			}
			p := d.Printer(cmd)
			res := result(log, limit)
			return p.Answer(res, log.Err(), func(w io.Writer) error { return show(p, w, res) })
		},
	})
	host.Flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many events; 0 for all")
	return cmd
}

func result(log *ledger.Log, limit int) Result {
	events := log.Events
	if limit > 0 {
		events = events[max(0, len(events)-limit):]
	}
	if events == nil {
		events = []ledger.Event{}
	}
	return Result{Total: len(log.Events), Whole: log.Err() == nil, Problems: log.Problems, Torn: log.Torn, Events: events}
}

func show(p *output.Printer, w io.Writer, res Result) error {
	rows := make([][]string, len(res.Events))
	for i, e := range res.Events {
		rows[i] = []string{
			strconv.FormatUint(e.Seq, 10), e.TS.Format(time.RFC3339), string(e.Kind), e.ReleaseID, e.Result,
			e.Actor.User + "@" + e.Actor.Host, fmt.Sprintf("%d ms", e.DurMS), why(e),
		}
	}
	if err := p.Table(w, []string{"SEQ", "TIME", "KIND", "RELEASE", "RESULT", "BY", "TOOK", "WHY"}, rows); err != nil {
		return err
	}
	for _, pr := range res.Problems {
		if _, err := fmt.Fprintf(w, "broken: line %d %s\n", pr.Line, pr.What); err != nil {
			return err
		}
	}
	if !res.Whole {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d events; the chain is whole\n", res.Total)
	return err
}

// why is one line of text: what a release or a person wrote must not break the table.
func why(e ledger.Event) string {
	text := e.Why
	if e.From != "" {
		text = strings.TrimSpace("from " + e.From + " " + text)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
