// Package media_worker is the hidden `platctl media-worker`: the process in which the server has one picture decoded.
package media_worker

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/base/fault"
)

// New returns `platctl media-worker`. Nobody types it: what it needs are open files that only the server gives.
func New(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   child.Command,
		Short: "Decode one picture for the server",
		Long:  "Reads a request from standard input and a picture from descriptor 3, and writes what it makes of it to the following ones.",
		Example: `
			platctl media-worker < request.json 3< picture.jpg 4> large.webp
			platctl media-worker < request.json 3< picture.jpg 4> large.webp 5> small.webp
			platctl media-worker < request.json 3< picture.jpg 4> large.webp | jq .code`,
		Result: command.NoResult{},
		Run: func(context.Context, *cobra.Command, []string) error {
			return fault.Op("decode a picture", child.Serve(d.Streams.In, d.Streams.Out))
		},
	})
	cmd.Hidden = true
	return cmd
}
