package keys

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/base/fault"
)

// How long a new key waits before it signs. Servers read a file within two seconds, others the public keys within twenty; where
// the keys aren't in a file, every server has to be started again in that time.
const (
	minGrace     = 30 * time.Second
	fileGrace    = time.Minute
	restartGrace = time.Hour
	maxGrace     = 30 * 24 * time.Hour // there is no other rotation meanwhile
)

type rotateOptions struct {
	Printer *output.Printer
	Streams *term.Streams
	Now     func() time.Time
	TTL     time.Duration
	Source  string
	Place   keyring.Place

	Grace       time.Duration
	Compromised bool
	PrintSecret bool
	Yes         bool
	DryRun      bool
}

func newRotate(d *command.Deps) *cobra.Command {
	var o rotateOptions
	cmd := command.New(command.Spec{
		Use:   "rotate [--grace DURATION] [--compromised] [--print-secret] [--yes] [--dry-run]",
		Short: "Let a new key sign access tokens",
		Long: "Adds a key to the ring of auth.signing_key. Running servers read the file within two seconds and believe the new key\n" +
			"at once; they sign with it after --grace (default 1m). The old key is believed until its last token has expired; the\n" +
			"next rotation drops it. No server is restarted and no token is lost. With --compromised older keys end when the new\n" +
			"one signs (default 30s): their tokens are refused, and clients refresh.\n\n" +
			"Where auth.signing_key is an environment variable there is no file to write: --print-secret prints the new ring, which\n" +
			"holds the private keys. Store it, and restart every server within --grace (then 1h).\n\n" + onlySigning,
		Example: `
			platctl keys rotate
			platctl keys rotate --compromised --dry-run
			platctl keys rotate --yes --json | jq -r .data.kid`,
		Exits:  []int{4, 5},
		Result: RotateResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			s, err := d.Settings()
			if err != nil {
				return err
			}
			o.Printer, o.Streams, o.Now, o.TTL = d.Printer(cmd), d.Streams, d.Now, s.Config.Auth.AccessTTL
			if o.Place, err = place(s); err != nil {
				return err
			}
			o.Source = shown(s, o.Place)
			if err := o.complete(cmd.Flags().Changed("grace")); err != nil {
				return err
			}
			return rotate(ctx, o)
		},
	})
	cmd.Flags().DurationVar(&o.Grace, "grace", 0, "how long the new key waits before it signs, 30s to 720h")
	cmd.Flags().BoolVar(&o.Compromised, "compromised", false, "end older keys, and every token they signed, when the new one signs")
	cmd.Flags().BoolVar(&o.PrintSecret, "print-secret", false, "print the new ring with its private keys, where it can't be written")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would change; change nothing")
	return cmd
}

// complete checks the flags against where the ring is kept.
func (o *rotateOptions) complete(graceGiven bool) error {
	file := o.Place.Path != ""
	switch {
	case file && o.PrintSecret:
		return fault.New(fault.Usage, "--print-secret is for keys that platctl can't write; these are in %s", o.Source)
	case !file && !o.PrintSecret && !o.DryRun:
		return fault.New(fault.Refused, "auth.signing_key (%s) is no file, so platctl can't write the new ring; nothing was done", o.Source).
			WithHint("--print-secret prints it with its private keys, to be stored where the variable comes from; file:PATH is followed without a restart")
	case graceGiven && (o.Grace < minGrace || o.Grace > maxGrace):
		return badGrace(o.Grace)
	case graceGiven:
	case !file:
		o.Grace = restartGrace
	case o.Compromised:
		o.Grace = minGrace
	default:
		o.Grace = fileGrace
	}
	return nil
}

func rotate(ctx context.Context, o rotateOptions) error {
	old, err := o.Place.Load()
	if err != nil {
		return err
	}
	next, err := o.turn(old)
	if err != nil {
		return err
	}
	res := o.result(old, next, false)
	text := func(w io.Writer) error { return tell(o, w, res) }
	if o.DryRun {
		return o.Printer.Result(res, text)
	}
	if !o.Yes {
		if err := text(o.Streams.Err); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, "rotate?"); err != nil {
			return err
		}
	}
	if o.PrintSecret {
		ring, err := next.Marshal()
		if err != nil {
			return err
		}
		res = o.result(old, next, true)
		res.Content = string(ring)
		return o.Printer.Result(res, func(w io.Writer) error {
			o.Streams.Say("nothing was written: store this ring, and restart every server before the new key signs")
			_, err := io.WriteString(w, res.Content)
			return err
		})
	}
	err = o.Place.Rewrite(func(r keyring.Ring) (keyring.Ring, error) {
		next, err := o.turn(r)
		res = o.result(r, next, true)
		return next, err
	})
	if err != nil {
		return err
	}
	return o.Printer.Result(res, text)
}
