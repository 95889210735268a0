package perf

import (
	"net"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/perf/baseline"
)

// longest is how long a run may take: the users' access tokens live ten minutes and k6 takes no new ones.
const longest = 9 * time.Minute

type baselineOptions struct {
	settings func() (*settings.Settings, error)
	streams  *term.Streams
	build    build.Info
	now      func() time.Time
	printer  func() *output.Printer

	target     string
	allowHosts []string
	name       string
	out        string
	scenario   string
	rate       int
	duration   time.Duration
	warmup     time.Duration
	users      int
	seed       int64
}

// check refuses what k6 would refuse later, and in its own words.
func (o *baselineOptions) check() error {
	if err := baseline.CheckName(o.name); err != nil {
		return err
	}
	bad := func(format string, args ...any) error { return fault.New(fault.Usage, format, args...) }
	switch {
	case o.rate < 1 || o.rate > 100_000:
		return bad("--rate %d is not between 1 and 100000", o.rate)
	case o.users < 1 || o.users > 1000:
		return bad("--users %d is not between 1 and 1000", o.users)
	case o.seed < 0 || o.seed > 1<<53-1:
		return bad("--seed %d is not between 0 and 2^53-1", o.seed)
	case o.duration < time.Second:
		return bad("--duration %s is shorter than a second", o.duration)
	case o.warmup != 0 && o.warmup < time.Second:
		return bad("--warmup %s is shorter than a second; 0 means none", o.warmup)
	case o.duration > longest || o.warmup > longest || o.duration+o.warmup > longest:
		return bad("--warmup and --duration together are longer than %s, the life of the users' access tokens", longest)
	}
	return nil
}

func (o *baselineOptions) scenarios(all []string) []string {
	if o.scenario == "all" {
		return all
	}
	return []string{o.scenario}
}

// targetOr returns --target, or the address on which this machine's server listens.
func (o *baselineOptions) targetOr(listen string) string {
	if o.target != "" {
		return o.target
	}
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || (ip != nil && ip.IsUnspecified())) {
		listen = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + listen
}

// file returns where a valid baseline goes.
func (o *baselineOptions) file(dir string) string {
	if o.out != "" {
		return o.out
	}
	return baseline.Path(dir, o.name)
}
