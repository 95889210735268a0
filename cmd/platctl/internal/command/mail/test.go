package mail

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

// TestResult is the data of `platctl mail test --json`.
type TestResult struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Via       string `json:"via"`    // HOST:PORT of the server, or the folder
	Folder    bool   `json:"folder"` // written to a file, sent nowhere
	MessageID string `json:"message_id"`
	TookMS    int64  `json:"took_ms"`
}

type testOptions struct {
	Printer *output.Printer
	Mailer  *command.Mailer
	Version string
	Dotless bool // whether addresses like ana@localhost will do

	To string
}

func newTest(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "test <address>",
		Short: "Send one message with the configured sender",
		Long: "Sends a short message as the server would send its own, and says what became of it: taken by the mail server\n" +
			"(exit 0), rejected for good (3), or not reached, deferred or failing (6). That a server took a message does not\n" +
			"mean that it arrives: look into the mailbox, and for the Message-ID in the log of the mail server. It bypasses\n" +
			"the job queue and retries nothing.",
		Example: `
			platctl mail test ana@example.org
			platctl mail test ops@example.org --config configs/production.yaml
			platctl mail test ops@example.org --json | jq -r .data.message_id`,
		Exits:  []int{3, 6},
		Result: TestResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			s, err := d.Settings()
			if err != nil {
				return err
			}
			mailer, err := d.Mailer()
			if err != nil {
				return err
			}
			return runTest(ctx, testOptions{Printer: d.Printer(cmd), Mailer: mailer, Version: d.Build.Version,
				Dotless: s.Config.Environment != config.Production, To: args[0]})
		},
	})
}

func runTest(ctx context.Context, o testOptions) error {
	to, err := mail.ParseAddress(o.To, o.Dotless)
	if err != nil {
		return fault.New(fault.Usage, "%q is no address: %s", o.To, fault.From(err).Fields[0].Message)
	}
	start := time.Now()
	id, err := o.Mailer.Sender.Send(ctx, mail.Message{Kind: "test", To: to, Subject: "Mail from platctl works",
		Text: "This is what `platctl mail test` of version " + o.Version + " sends. Nothing is to be done.\n"})
	if err != nil {
		return err
	}
	res := TestResult{From: o.Mailer.From, To: to, Via: o.Mailer.Via, Folder: o.Mailer.Folder, MessageID: id,
		TookMS: time.Since(start).Milliseconds()}
	return o.Printer.Result(res, func(w io.Writer) error {
		verb := "taken by"
		if res.Folder {
			verb = "written into"
		}
		_, err := fmt.Fprintf(w, "message to %s %s %s after %d ms\n%-11s %s\n%-11s %s\n",
			res.To, verb, res.Via, res.TookMS, "from", res.From, "Message-ID", res.MessageID)
		return err
	})
}
