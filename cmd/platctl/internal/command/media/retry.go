package media

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/base/fault"
)

type retryOptions struct {
	Printer *output.Printer

	Blob   int64
	Code   string
	All    bool
	DryRun bool
}

func newRetry(d *command.Deps) *cobra.Command {
	var o retryOptions
	cmd := command.New(command.Spec{
		Use:   "retry [number] [--code CODE] [--all] [--dry-run]",
		Short: "Try failed uploads again",
		Long: "Makes failed uploads pending again: one by its number in `platctl media status`, those that failed with a code, or\n" +
			"all. A running server works on them. Only those can be tried again whose bytes are still there: a failure that\n" +
			"another try can't mend removes them at once, the others keep them for a week.",
		Example: `
			platctl media retry 42
			platctl media retry --code storage_put_failed --dry-run
			platctl media retry --all --json | jq '.data.blobs | length'`,
		Exits:  []int{6},
		Result: media.Retried{},
		Args:   cobra.MaximumNArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			o.Printer = d.Printer(cmd)
			if err := o.parse(args); err != nil {
				return err
			}
			return desk(ctx, d, func(s *media.Service) error { return retry(ctx, s, o) })
		},
	})
	cmd.Flags().StringVar(&o.Code, "code", "", "those that failed with this code")
	cmd.Flags().BoolVar(&o.All, "all", false, "all whose bytes are there")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show which; change nothing")
	return cmd
}

// parse wants exactly one way to say which.
func (o *retryOptions) parse(args []string) error {
	ways := len(args)
	for _, given := range []bool{o.Code != "", o.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return fault.New(fault.Usage, "say which: a number, --code or --all").WithHint("`platctl media status` shows numbers and codes")
	}
	if o.Code != "" && !slices.Contains(picture.Codes(), picture.Code(o.Code)) {
		return fault.New(fault.Usage, "%q is no code of a failure", o.Code).WithHint("docs/media.md lists them")
	}
	if len(args) == 0 {
		return nil
	}
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || n < 1 {
		return fault.New(fault.Usage, "%q is not the number of an upload", args[0]).WithHint("`platctl media status` shows them")
	}
	o.Blob = n
	return nil
}

func retry(ctx context.Context, s *media.Service, o retryOptions) error {
	res, err := s.Retry(ctx, o.Blob, o.Code, o.DryRun)
	if err != nil {
		return err
	}
	if o.Blob != 0 && len(res.Blobs)+len(res.Skipped) == 0 {
		return fault.New(fault.NotFound, "upload %d did not fail, or its bytes are gone; nothing was done", o.Blob).
			WithHint("`platctl media status` shows which can be tried again")
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		verb := "are pending again"
		if res.DryRun {
			verb = "would be tried again"
		}
		if _, err := fmt.Fprintf(w, "%d uploads %s%s\n", len(res.Blobs), verb, numbers(res.Blobs)); err != nil || len(res.Skipped) == 0 {
			return err
		}
		_, err := fmt.Fprintf(w, "%d were sent again by their owners meanwhile%s\n", len(res.Skipped), numbers(res.Skipped))
		return err
	})
}

// numbers lists the first of them.
func numbers(blobs []int64) string {
	if len(blobs) == 0 {
		return ""
	}
	var words []string
	for _, b := range blobs[:min(len(blobs), 10)] {
		words = append(words, strconv.FormatInt(b, 10))
	}
	more := ""
	if len(blobs) > len(words) {
		more = ", …"
	}
	return ": " + strings.Join(words, ", ") + more
}
