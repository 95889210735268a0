// Package cli is the root command: it wires dependencies, runs one command and turns its error into a message and an
// exit code. Main is callable from tests.
package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/fault"
)

// Main runs one command line and returns the exit code.
func Main(args []string, streams *term.Streams, env []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // the first signal asks, the second ends the process as if nobody listened
		<-ctx.Done()
		stop()
	}()
	return Run(ctx, args, streams, env)
}

// Run is Main with the caller's context in place of signals.
func Run(ctx context.Context, args []string, streams *term.Streams, env []string) int {
	root, d := NewRoot(streams, env)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	err = interrupted(ctx, classify(cmd, err))
	var printed *output.Printed
	if !errors.As(err, &printed) {
		p := d.Printer(cmd)
		p.JSON = p.JSON || wantsJSON(args) && errors.Is(err, fault.Usage) // flags after a wrong one were not read
		p.Failure(err, streams.Err)
	}
	return fault.Lookup(fault.KindOf(err)).Exit
}

// wantsJSON says whether --json stands on the line.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// interrupted is err, but an interruption where that is what an error without a kind comes from: a statement that a signal ended
// fails with the database's words.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.Wrap(err, fault.Canceled, "interrupted")
}

// NewRoot returns the command tree and its dependencies.
func NewRoot(streams *term.Streams, env []string) (*cobra.Command, *command.Deps) {
	var asJSON bool
	var configFile string
	root := &cobra.Command{
		Use:           "platctl",
		Short:         "Ship, watch, measure and rescue a PostgreSQL-backed API",
		Long:          "platctl contains a production API server and the tools of the people around it.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.PersistentFlags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	root.PersistentFlags().StringVar(&configFile, "config", "", "read this configuration file only")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if word := cmd.Flags().Arg(0); word != "" && cmd.HasAvailableSubCommands() { // a mistyped command takes no flags
			return unknown(cmd, word)
		}
		return fault.Wrap(err, fault.Usage, "wrong flags").WithHint("`%s --help` shows what it takes", cmd.CommandPath())
	})
	d := &command.Deps{Streams: streams, Build: build.Read(), Now: time.Now, JSON: func() bool { return asJSON }}
	d.Migrations = postgres.Migrations()
	d.Settings = sync.OnceValues(func() (*settings.Settings, error) {
		return settings.Load(settings.Source{Env: env, Dir: ".", File: configFile, Flags: settingFlags(root)})
	})
	register(root, d)
	return root, d
}

// settingFlags maps a key to the flag that was given for it: a flag whose annotation names a key sets that key.
func settingFlags(root *cobra.Command) map[string]*pflag.Flag {
	out := map[string]*pflag.Flag{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if k := f.Annotations[command.KeyAnnotation]; len(k) == 1 && f.Changed {
				out[k[0]] = f
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return out
}

// classify gives cobra's own errors a kind and a next step: they are all about how the command was typed.
func classify(cmd *cobra.Command, err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		return err
	}
	if strings.HasPrefix(err.Error(), "unknown command") {
		return unknown(cmd, cmd.Flags().Arg(0))
	}
	for _, p := range []string{"unknown flag", "accepts ", "requires ", "invalid argument", "required flag"} {
		if strings.HasPrefix(err.Error(), p) {
			return fault.New(fault.Usage, "%s: %s", cmd.CommandPath(), err.Error()).WithHint("it is written %s", cmd.UseLine())
		}
	}
	return err
}

// unknown is what to say about a word that is no command: cobra calls a needless argument that too.
func unknown(cmd *cobra.Command, word string) error {
	if !cmd.HasAvailableSubCommands() {
		return fault.New(fault.Usage, "%s takes no argument %q", cmd.CommandPath(), word).WithHint("it is written %s", cmd.UseLine())
	}
	e := fault.New(fault.Usage, "%s has no command %q", cmd.CommandPath(), word)
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return e.WithHint("`%s %s`?", cmd.CommandPath(), strings.Join(near, "`, `"+cmd.CommandPath()+" "))
	}
	return e.WithHint("`%s --help` shows the commands", cmd.CommandPath())
}
