package perf

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/perf/baseline"
	"github.com/platctl/platctl/internal/perf/k6"
)

func newBaseline(d *command.Deps) *cobra.Command {
	o := baselineOptions{settings: d.Settings, streams: d.Streams, build: d.Build, now: d.Now}
	cmd := command.New(command.Spec{
		Use:   "baseline [--target URL] [--scenario NAME] [--rate N] [--duration D] [--name NAME]",
		Short: "Measure latency, throughput and errors, and store them",
		Long: `
Runs k6 against an API: signs up a few users who follow each other, warms up, then sends requests at a constant rate, however
slow the answers are (open model). Stores histograms, the plan and the machine as JSON in <perf.dir>/baselines/<name>.json
and prints throughput, latency of the successful requests, and errors. A later measurement of the same name replaces it.

A measurement is invalid when requests could not start on schedule, when k6 used more than 80 % of its processors, or when
nothing succeeded. It is stored as <name>.invalid.json with the reason, and leaves the valid baseline alone.
A quantile is left out when fewer than ten requests lie beyond it: p99 needs 1,000 requests.

The users and their posts stay on the target. Only this machine is a target, unless --allow-host names another host.
Needs the k6 with our extension (make k6).`,
		Example: `
			platctl perf baseline
			platctl perf baseline --scenario feed_read --rate 200 --duration 1m --name v1.4.0
			platctl perf baseline --json --out base.json | jq '.data.endpoints[] | {endpoint, rps, p95_us, error_rate}'`,
		Exits:  []int{4, 6, 7},
		Result: BaselineResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.printer = func() *output.Printer { return d.Printer(cmd) }
			return runBaseline(ctx, o)
		},
	})
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "base URL of the API (default: http:// and server.listen)")
	f.StringSliceVar(&o.allowHosts, "allow-host", nil, "a host other than this machine that may be loaded")
	f.StringVar(&o.name, "name", "main", "name of the baseline")
	f.StringVar(&o.out, "out", "", "write this file instead of <perf.dir>/baselines/<name>.json")
	f.StringVar(&o.scenario, "scenario", "all", "feed_read, post_create or all, one after the other")
	f.IntVar(&o.rate, "rate", 50, "requests per second")
	f.DurationVar(&o.duration, "duration", 30*time.Second, "how long to measure each scenario")
	f.DurationVar(&o.warmup, "warmup", 5*time.Second, "how long to warm up first; not measured")
	f.IntVar(&o.users, "users", 8, "users who sign up or log in first")
	f.Int64Var(&o.seed, "seed", 1, "seed of handles and texts; the same seed takes the same users")
	command.KeyFlag(cmd, "dir", "perf.dir")
	command.KeyFlag(cmd, "k6", "perf.k6")
	return cmd
}

func runBaseline(ctx context.Context, o baselineOptions) error {
	s, err := o.settings()
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	target, err := baseline.CheckTarget(o.targetOr(s.Config.Server.Listen), o.allowHosts)
	if err != nil {
		return err
	}
	file := o.file(s.Config.Perf.Dir)
	if err := baseline.CheckWritable(file); err != nil {
		return err
	}
	self, _ := os.Executable() // empty: only the PATH is searched
	bin, err := k6.Find(ctx, s.Config.Perf.K6, self)
	if err != nil {
		return err
	}
	show := newProgress(o.streams, o.warmup, o.duration, o.rate)
	b, err := baseline.Measure(ctx, baseline.Measurement{
		K6: bin, Name: o.name, Target: target, Scenarios: o.scenarios(bin.Info.Scenarios), Now: o.now, Progress: show.update,
		Env:  baseline.ReadEnv(os.DirFS("/")),
		Tool: baseline.Tool{Platctl: o.build.Version, Commit: o.build.Commit},
		Plan: baseline.Plan{
			Rate: o.rate, DurationMS: o.duration.Milliseconds(), WarmupMS: o.warmup.Milliseconds(), Users: o.users, Seed: o.seed,
		},
	})
	show.end()
	if err != nil {
		return err
	}
	return store(o, file, b)
}
