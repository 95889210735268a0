package release

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/release/build"
	"github.com/platctl/platctl/internal/release/sbom"
)

// BuildOptions is what `platctl release build` needs.
type BuildOptions struct {
	Streams  *term.Streams
	Settings func() (*settings.Settings, error)
	Printer  *output.Printer
	Tool     string // version of this platctl

	Version string
	Config  string
	Replace bool
	DryRun  bool
}

func newBuild(d *command.Deps) *cobra.Command {
	o := &BuildOptions{Streams: d.Streams, Settings: d.Settings, Tool: d.Build.Version}
	cmd := command.New(command.Spec{
		Use:   "build --version VERSION [--dist DIR] [--with-config FILE] [--replace] [--dry-run]",
		Short: "Build a release of this machine's target into dist/<version>",
		Long: "Compiles what .goreleaser.yaml describes, from the current directory, and adds an archive, an SBOM, the SQL contract,\n" +
			"checksums and a manifest. The same commit gives the same bytes. The directory appears when it is complete; one\n" +
			"that exists with the same content is success, and one with other content is left alone unless --replace is given.\n" +
			"It builds for this machine only, publishes nothing and needs no network once the modules are downloaded.",
		Example: `
			platctl release build --version 1.2.3
			platctl release build --version 1.3.0-rc.1 --with-config configs/production.yaml
			platctl release build --version 1.2.3 --json | jq -r '.data.files[] | select(.kind == "archive") | .path'`,
		Exits:  []int{4, 6},
		Result: build.Result{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.Printer = d.Printer(cmd)
			return runBuild(ctx, o)
		},
	})
	cmd.Flags().StringVar(&o.Version, "version", "", "semantic version of the release, without v")
	cmd.Flags().StringVar(&o.Config, "with-config", "", "make this configuration part of the release and start it with it")
	cmd.Flags().BoolVar(&o.Replace, "replace", false, "throw away an existing release of this version that differs")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "check everything and show what would be built")
	command.KeyFlag(cmd, "dist", "release.dist")
	_ = cmd.MarkFlagRequired("version")
	return cmd
}

func runBuild(ctx context.Context, o *BuildOptions) error {
	s, err := o.Settings()
	if err != nil {
		return err
	}
	if o.Config != "" { // a release that can't start with its own configuration must not exist
		if _, err := settings.Load(settings.Source{Dir: ".", File: o.Config}); err != nil {
			return err
		}
	}
	opts, err := buildOptions(o, s)
	if err != nil {
		return err
	}
	job, err := build.Plan(ctx, opts)
	if err != nil {
		return err
	}
	if job.Result.Git.Dirty {
		o.Streams.Say("platctl: the work tree has changes; the manifest says so, and nobody else can build this release")
	}
	res := &job.Result
	if !o.DryRun {
		if res, err = job.Run(ctx); err != nil {
			return err
		}
	}
	return o.Printer.Result(res, func(w io.Writer) error { return printRelease(o.Printer, w, res) })
}

func buildOptions(o *BuildOptions, s *settings.Settings) (build.Options, error) {
	epoch, err := sbom.Epoch(s.Lookup)
	if err != nil {
		return build.Options{}, err
	}
	c := s.Config.Release
	opts := build.Options{
		Root: ".", Dist: c.Dist, Version: o.Version, Config: o.Config, Contract: c.SQLContract, Migrations: c.Migrations,
		MinSchema: c.MinSchema, Replace: o.Replace, Epoch: epoch,
		SBOM:   sbom.Options{Tool: o.Tool, ModCache: sbom.ModCache(s.Lookup)},
		Report: func(step, _ string) { o.Streams.Say("platctl: %s", step) },
	}
	for _, f := range config.Fields("") {
		opts.ConfigKeys = append(opts.ConfigKeys, f.Key)
	}
	return opts, nil
}

func printRelease(p *output.Printer, w io.Writer, r *build.Result) error {
	fmt.Fprintf(w, "%s: %s %s, commit %.12s, %s/%s\n", state(r.State), r.Dir, r.Version, r.Git.SHA, r.OS, r.Arch)
	if r.Database.BuiltFor > 0 {
		fmt.Fprintf(w, "schema: built for %d, runs on %d to %d\n", r.Database.BuiltFor, r.Database.Min, r.Database.Max)
	}
	if r.State == build.Planned {
		fmt.Fprintf(w, "compile: %s\nstart: %s\n", quoted(r.Command), quoted(r.Start))
		return nil
	}
	rows := make([][]string, len(r.Files))
	for i, f := range r.Files {
		rows[i] = []string{f.Kind, f.Path, fmt.Sprint(f.Size), f.SHA256}
	}
	return p.Table(w, []string{"KIND", "PATH", "BYTES", "SHA256"}, rows)
}

// state says a State in words.
func state(s build.State) string {
	return strings.ReplaceAll(string(s), "_", " ")
}

// quoted writes a command so that it can be pasted into a shell.
func quoted(argv []string) string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = a
		if strings.ContainsAny(a, " $'\"\\") {
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
