// Package serve is `platctl serve`: the API server of one release.
package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/api/events"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// Result is what serve prints once it takes traffic: where everything is.
type Result struct {
	API      string `json:"api"`
	Docs     string `json:"docs,omitempty"`
	Metrics  string `json:"metrics,omitempty"`
	Outbox   string `json:"outbox,omitempty"` // the folder that mail is written to; none where a server sends it
	Login    *Login `json:"demo_login,omitempty"`
	Database string `json:"database,omitempty"` // how to look into the private database
	ReadyMS  int64  `json:"ready_ms"`           // from the start of the command
}

// Login is the demo account that --dev makes.
type Login struct {
	Handle   string `json:"handle"`
	Password string `json:"password"`
}

const (
	flushTimeout = 3 * time.Second // of the last traces
	relayEvery   = 500 * time.Millisecond
)

type options struct {
	deps   *command.Deps
	set    *settings.Settings
	mailer *command.Mailer
	log    *slog.Logger

	traces telemetry.Traces

	dev bool
}

// New returns `platctl serve`.
func New(d *command.Deps) *cobra.Command {
	o := &options{deps: d}
	cmd := command.New(command.Spec{
		Use:   "serve [--dev] [--listen HOST:PORT | --socket PATH]",
		Short: "Run the API server",
		Long: "Runs the API until it is told to stop, then drains: not ready, Connection: close for server.drain_delay, then\n" +
			"requests in flight get server.shutdown_grace. A second signal ends it at once and logs what it cuts off.\n" +
			"It never migrates, but with --dev: then it starts a private PostgreSQL, applies the migrations and fills an empty\n" +
			"database with demo data.",
		Example: `
			platctl serve --dev
			platctl serve --listen 127.0.0.1:8080 --config configs/production.yaml
			platctl serve --dev --json | jq -r .data.api`,
		Exits:  []int{5, 6},
		Result: Result{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return o.run(ctx, cmd)
		},
	})
	cmd.Flags().BoolVar(&o.dev, "dev", false, "private PostgreSQL, migrations and demo data; refused in production")
	command.KeyFlag(cmd, "listen", "server.listen")
	command.KeyFlag(cmd, "socket", "server.socket")
	command.KeyFlag(cmd, "control-socket", "server.control_socket")
	command.KeyFlag(cmd, "admin-listen", "server.admin_listen")
	return cmd
}

func (o *options) run(ctx context.Context, cmd *cobra.Command) error {
	start := time.Now()
	if err := o.load(); err != nil {
		return err
	}
	secrets, err := o.set.ServerSecrets()
	if err != nil {
		return err
	}
	if o.mailer, err = o.deps.Mailer(); err != nil {
		return err
	}
	ls, err := listenAll(o.set.Config.Server, o.set.IsDefault("server.admin_listen"))
	if err != nil {
		return err
	}
	defer ls.close()
	o.traces, err = telemetry.Tracing(ctx, o.set.Lookup, o.deps.Build, o.log)
	if err != nil {
		return err
	}
	pools, release, err := o.database(ctx)
	if err != nil {
		return err
	}
	release = sync.OnceFunc(release)
	defer release() // for a start that fails
	srv, holder, err := o.server(ctx, pools, secrets)
	if err != nil {
		return err
	}
	defer lastWords(srv)()
	res := o.result(ls)
	res.ReadyMS = time.Since(start).Milliseconds()
	if err := o.print(cmd, res); err != nil {
		return err
	}
	return serveAll(ctx, srv, holder, ls, o.log, o.lastSteps(ctx, o.relay(ctx, pools.requests), release))
}

// lastSteps is what stops after the server's own steps, in this order.
func (o *options) lastSteps(ctx context.Context, stopRelay, release func()) []server.Step {
	step := func(name string, do func()) server.Step {
		return server.Step{Name: name, Do: func() error { do(); return nil }}
	}
	return []server.Step{
		step("outbox", stopRelay),                        // what the last request and the last job wrote is told
		step("telemetry", func() { o.flushTraces(ctx) }), // the spans of all of it, the relay's queries too
		step("pools", release),                           // and with --dev the PostgreSQL that was started here
	}
}

// relay tells events until the returned function is called, which waits for the last pass.
func (o *options) relay(ctx context.Context, pool *pgxpool.Pool) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		events.NewRelay(pool, o.log, relayEvery).Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (o *options) load() error {
	set, err := o.deps.Settings()
	if err != nil {
		return err
	}
	o.set = set
	if o.dev && set.Config.Environment == config.Production {
		return fault.New(fault.Refused, "--dev makes demo accounts with a known password; environment is production").
			WithHint("leave --dev out, and run `platctl migrate up` before the first start")
	}
	format := set.Config.Log.Format
	if format == "auto" {
		format = "json"
		if o.deps.Streams.ErrTTY {
			format = "text"
		}
	}
	o.log, err = telemetry.NewLogger(o.deps.Streams.Err, set.Config.Log.Level, format)
	return err
}

func (o *options) flushTraces(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := o.traces.Shutdown(ctx); err != nil {
		o.log.Warn("the last traces are lost", "error", err)
	}
}

func (o *options) result(ls *listeners) Result {
	res := Result{API: ls.url(), Metrics: ls.adminURL()}
	if o.set.Config.Server.Socket == "" {
		res.Docs = res.API + "/api/docs/"
	}
	if o.mailer.Folder {
		res.Outbox = o.mailer.Via
	}
	if o.dev {
		res.Login = &Login{Handle: seed.Handle, Password: seed.Password}
		res.Database = "platctl db psql"
	}
	return res
}

func (o *options) print(cmd *cobra.Command, res Result) error {
	return o.deps.Printer(cmd).Result(res, func(w io.Writer) error {
		rows := [][2]string{{"API", res.API}, {"docs", res.Docs}, {"metrics", res.Metrics}, {"mail", res.Outbox},
			{"database", res.Database}}
		if res.Login != nil {
			rows = append(rows, [2]string{"demo login", res.Login.Handle + " / " + res.Login.Password})
		}
		for _, r := range rows {
			if r[1] == "" {
				continue
			}
			if _, err := fmt.Fprintf(w, "%-11s %s\n", r[0], r[1]); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(w, "%-11s %d ms after the start; Ctrl-C stops it\n", "ready", res.ReadyMS)
		return err
	})
}
