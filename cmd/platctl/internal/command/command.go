// Package command is what every command is made of: its dependencies (Deps) and its shape (Spec).
//
// Invariants: a command lives at command/<noun>/<verb>.go; it has examples, exit codes in its help and a JSON schema
// name. Costly dependencies are functions, so help, completion and version touch nothing.
package command

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/fault"
)

// Deps is what commands depend on. Copy what a command needs into its Options.
type Deps struct {
	Streams  *term.Streams
	Build    build.Info
	Now      func() time.Time
	Settings func() (*settings.Settings, error) // loads once
	JSON     func() bool                        // --json was given

	Migrations fs.FS // the built-in ones; nil where there are none
}

// Printer returns the printer of the command that runs.
func (d *Deps) Printer(cmd *cobra.Command) *output.Printer {
	return &output.Printer{Out: d.Streams.Out, JSON: d.JSON(), TTY: d.Streams.OutTTY, Schema: Schema(cmd)}
}

// Spec describes one leaf command.
type Spec struct {
	Use     string // grammar: verb <required> [optional] [--flag VALUE]
	Short   string // one line, no full stop
	Long    string // what it does and what it does not do
	Example string // easy, real, scripted
	Exits   []int  // the exit codes it can answer with, besides 0, 1, 2 and 130
	Args    cobra.PositionalArgs
	Run     func(ctx context.Context, cmd *cobra.Command, args []string) error
}

const schemaKey = "platctl.schema"

// New makes the cobra command of s.
func New(s Spec) *cobra.Command {
	c := &cobra.Command{
		Use: s.Use, Short: s.Short, Args: s.Args,
		Long:                  strings.TrimSpace(s.Long) + "\n\n" + exitHelp(s.Exits),
		Example:               indent(s.Example),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.Run(cmd.Context(), cmd, args)
		},
	}
	if c.Args == nil {
		c.Args = cobra.NoArgs
	}
	return c
}

// Group makes a command that only holds others: platctl <noun>.
func Group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: short + ".", Args: cobra.NoArgs, RunE: showHelp}
	c.AddCommand(subs...)
	return c
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// Schema returns the JSON schema name of a command: platctl.<noun>.<verb>/v1.
func Schema(cmd *cobra.Command) string {
	if s := cmd.Annotations[schemaKey]; s != "" {
		return s
	}
	return strings.ReplaceAll(cmd.CommandPath(), " ", ".") + "/v1"
}

func exitHelp(extra []int) string {
	want := map[int]bool{0: true, 1: true, 2: true, 130: true}
	for _, c := range extra {
		want[c] = true
	}
	var b strings.Builder
	b.WriteString("Exit codes:")
	for _, e := range fault.Exits() {
		if want[e.Code] {
			fmt.Fprintf(&b, "\n  %3d  %s", e.Code, e.Meaning)
		}
	}
	return b.String()
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, l := range lines {
		lines[i] = "  " + strings.TrimSpace(l)
	}
	return strings.Join(lines, "\n")
}
