package auth

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/session"
)

// shown is how many sessions a command lists.
const shown = 100

// SessionsResult is the data of `platctl auth sessions --json`.
type SessionsResult struct {
	Account  session.Account   `json:"account"`
	Sessions []session.Session `json:"sessions"`
	More     bool              `json:"more"` // there are older ones
}

func newSessions(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "sessions <handle>",
		Short: "List the live sessions of an account",
		Long:  "Lists where an account is logged in, newest first, the newest 100. It changes nothing and shows no token.",
		Example: `
			platctl auth sessions ana_orchard
			platctl auth sessions ana_orchard --config configs/production.yaml
			platctl auth sessions ana_orchard --json | jq '.data.sessions | length'`,
		Exits:  []int{6},
		Result: SessionsResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			return with(ctx, d, func(k desk) error {
				res, err := k.look(ctx, args[0])
				if err != nil {
					return err
				}
				p := d.Printer(cmd)
				return p.Result(res, func(w io.Writer) error { return printSessions(p, w, res) })
			})
		},
	})
}

func (k desk) look(ctx context.Context, handle string) (SessionsResult, error) {
	a, err := k.sessions.Find(ctx, handle)
	if err != nil {
		return SessionsResult{}, err
	}
	page, next, err := k.sessions.List(ctx, a.ID, session.Start, shown)
	return SessionsResult{Account: a, Sessions: page, More: next != 0}, err
}

func printSessions(p *output.Printer, w io.Writer, res SessionsResult) error {
	for _, s := range []struct {
		word string
		at   *time.Time
	}{{"banned", res.Account.BannedAt}, {"deleted", res.Account.DeletedAt}} {
		if s.at == nil {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s is %s since %s\n", res.Account.Handle, s.word, s.at.Format(time.RFC3339)); err != nil {
			return err
		}
	}
	rows := make([][]string, len(res.Sessions))
	for i, s := range res.Sessions {
		agent := s.UserAgent
		if agent == "" {
			agent = "-"
		}
		rows[i] = []string{strconv.FormatInt(s.ID, 10), s.CreatedAt.Format(time.RFC3339), s.LastUsedAt.Format(time.RFC3339),
			s.ExpiresAt.Format(time.RFC3339), agent}
	}
	return p.Table(w, []string{"SESSION", "LOGIN", "LAST REFRESH", "EXPIRES", "CLIENT"}, rows)
}
