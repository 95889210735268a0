package serve

import (
	"context"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/account/argon"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/limits"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// Hashing takes half of the cores at the most, in processes at low priority, so a flood of logins leaves the rest to everybody else.
const (
	hashQueue = 32
	hashWait  = time.Second
)

// server wires the API. With --dev it also fills an empty database.
func (o *options) server(ctx context.Context, p pools, secrets settings.ServerSecrets) (*server.Server, *role.Holder, error) {
	c := o.set.Config
	keys, err := o.signingKeys(secrets.SigningKeys)
	if err != nil {
		return nil, nil, err
	}
	if secrets.IDKey == nil {
		if secrets.IDKey, err = o.localKey("ids"); err != nil {
			return nil, nil, err
		}
	}
	hasher := account.NewHasher(runtime.GOMAXPROCS(0)/2, hashQueue, hashWait, account.Apart(func() account.Deriver { return argon.NewChild(o.log) }))
	pictures, err := o.deps.Pictures(o.log)
	if err != nil {
		return nil, nil, err
	}
	if o.dev {
		if err := seedDemo(ctx, p.requests, hasher, pictures.Store); err != nil {
			return nil, nil, err
		}
	}
	limited, err := limitsOf(c)
	if err != nil {
		return nil, nil, err
	}
	people, outside := o.outside(pictures)
	if secrets.RedisURL != "" {
		shared, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: secrets.RedisURL, Secret: secrets.IDKey, Log: o.log})
		if err != nil {
			return nil, nil, err
		}
		limited.Accounts, outside = shared, append(outside, shared.Breaker)
	}
	holder := role.NewHolder(startRole(c.Server.ControlSocket))
	srv, err := server.New(ctx, server.Options{
		Build: o.deps.Build, Log: o.log, Pool: p.requests, JobsPool: p.jobs, Hasher: hasher, Keys: keys, IDKey: secrets.IDKey,
		AccessTTL: c.Auth.AccessTTL, RefreshTTL: c.Auth.RefreshTTL, MaxSessions: c.Auth.MaxSessions, DeletionGrace: c.Auth.DeletionGrace,
		DrainDelay: c.Server.DrainDelay, ShutdownGrace: c.Server.ShutdownGrace, MaxConnsPerIP: c.Server.MaxConnsPerIP, Origins: c.Server.Origins(), Limits: limited,
		CacheBytes: c.Cache.MaxBytes,
		MinSchema:  postgres.MinSchema, BuiltSchema: postgres.BuiltSchema(), Outside: outside, Mail: people, Role: active{holder}, Debug: c.Debug, Tracer: o.traces.Tracer,
		SchemaVersion: func(ctx context.Context) (int64, error) { return migrate.Current(ctx, p.requests) },
		Media: server.Media{
			Store: pictures.Store, Local: pictures.Local, URL: pictures.URL, WorkDir: pictures.WorkDir, Limits: pictures.Limits, Workers: c.Media.Workers,
		},
	})
	return srv, holder, err
}

// outside is how people are written to, and the services that the server can do without: a mail server is one and a folder is not,
// and so it is with a bucket for pictures.
func (o *options) outside(p *command.Pictures) (m server.Mail, out []server.Outside) {
	if p.Guarded != nil {
		out = append(out, p.Guarded.Breaker)
	}
	if b := o.traces.Collector; b != nil {
		out = append(out, b)
	}
	c := o.set.Config
	m = server.Mail{Sender: o.mailer.Sender, Site: o.mailer.Site, VerifyAddresses: c.VerifiesEmail(), Dotless: c.Environment != config.Production}
	if !o.mailer.Folder {
		guarded := mail.Guard(o.mailer.Sender, o.log)
		m.Sender, out = guarded, append(out, guarded.Breaker)
	}
	return m, out
}

// seedDemo has a session of its own: the pool's statements have two seconds.
func seedDemo(ctx context.Context, pool *pgxpool.Pool, hasher seed.Hasher, pictures store.Store) error {
	conn, err := pg.Connect(ctx, pool.Config().ConnString(), "platctl serve --dev")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = seed.Demo(ctx, conn, hasher, pictures)
	return err
}

// startRole is standby where a control socket will tell otherwise, and active where nobody will.
func startRole(controlSocket string) role.Role {
	if controlSocket != "" {
		return role.Standby
	}
	return role.Active
}

// active adapts the role signal to what the server asks.
type active struct{ holder *role.Holder }

// Active implements server.Role.
func (a active) Active() bool { return a.holder.Get().Role == role.Active }

// Watch implements server.Role.
func (a active) Watch() (bool, <-chan struct{}) {
	doc, changed := a.holder.Watch()
	return doc.Role == role.Active, changed
}

// limitsOf says how requests are limited: in production for real, elsewhere without refusing anybody, unless something else is
// set or a policy is applied.
func limitsOf(c config.Config) (server.Limits, error) {
	clients, err := clientaddr.New(c.Server.Proxies, c.Server.ProxyHeader)
	without, most := c.LimitModes()
	return server.Limits{Mode: limits.Mode(without), Most: limits.Mode(most), Clients: clients}, err
}
