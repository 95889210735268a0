// Package config is the shape of platctl's configuration: the typed values, their defaults, their documentation and
// the rules a combination has to satisfy.
//
// Invariants: it reads nothing (the settings package of the command does), a value is in Config exactly when it has a row
// in Fields, and a secret is a reference (Secret), never a value.
package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/fault"
)

// Config is everything a person can set. The mapstructure tags are the keys of platctl.yaml.
type Config struct {
	Environment string   `mapstructure:"environment"`
	StateDir    string   `mapstructure:"state_dir"`
	Log         Log      `mapstructure:"log"`
	Server      Server   `mapstructure:"server"`
	Database    Database `mapstructure:"database"`
	Cache       Cache    `mapstructure:"cache"`
	LocalPG     LocalPG  `mapstructure:"localpg"`
	Auth        Auth     `mapstructure:"auth"`
	Mail        Mail     `mapstructure:"mail"`
	Media       Media    `mapstructure:"media"`
	Migrations  Source   `mapstructure:"migrations"`
	Edge        Edge     `mapstructure:"edge"`
	Deploy      Deploy   `mapstructure:"deploy"`
	Release     Release  `mapstructure:"release"`
	Perf        Perf     `mapstructure:"perf"`
	RateLimit   Limits   `mapstructure:"ratelimit"`
	Debug       Debug    `mapstructure:"debug"`
}

// Log says what is written and how.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

// Server is the API server's own settings.
type Server struct {
	Listen        string        `mapstructure:"listen"`
	Socket        string        `mapstructure:"socket"`
	AdminListen   string        `mapstructure:"admin_listen"`
	ControlSocket string        `mapstructure:"control_socket"`
	DrainDelay    time.Duration `mapstructure:"drain_delay"`
	ShutdownGrace time.Duration `mapstructure:"shutdown_grace"`
	CORSOrigins   string        `mapstructure:"cors_origins"`
	Proxies       string        `mapstructure:"trusted_proxies"`
	ProxyHeader   string        `mapstructure:"proxy_header"`
	MaxConnsPerIP int           `mapstructure:"max_conns_per_ip"`
}

// Origins returns the origins of CORSOrigins.
func (s Server) Origins() []string {
	return strings.Fields(strings.ReplaceAll(s.CORSOrigins, ",", " "))
}

// Database is the PostgreSQL the server and the migrations use.
type Database struct {
	URL      Secret `mapstructure:"url"`
	MaxConns int    `mapstructure:"max_conns"`
}

// Cache is the answers that the server keeps.
type Cache struct {
	MaxBytes int64 `mapstructure:"max_bytes"`
}

// LocalPG is the private PostgreSQL that platctl starts itself.
type LocalPG struct {
	Dir    string `mapstructure:"dir"`
	BinDir string `mapstructure:"bin_dir"`
}

// Auth is how people are recognised.
type Auth struct {
	SigningKey    Secret        `mapstructure:"signing_key"`
	IDKey         Secret        `mapstructure:"id_key"`
	AccessTTL     time.Duration `mapstructure:"access_ttl"`
	RefreshTTL    time.Duration `mapstructure:"refresh_ttl"`
	MaxSessions   int           `mapstructure:"max_sessions"`
	DeletionGrace time.Duration `mapstructure:"deletion_grace"`

	EmailVerification string `mapstructure:"email_verification"`
}

// VerifiesEmail says whether an account is made only when a code has confirmed its e-mail address: always in production, unless
// somebody decided otherwise.
func (c *Config) VerifiesEmail() bool {
	if c.Auth.EmailVerification == "auto" {
		return c.Environment == Production
	}
	return c.Auth.EmailVerification == "on"
}

// Mail is how people are written to.
type Mail struct {
	From    string `mapstructure:"from"`
	SMTPURL Secret `mapstructure:"smtp_url"`
	Dir     string `mapstructure:"dir"`
}

// Media is where pictures are kept, and what people may send.
type Media struct {
	Dir          string `mapstructure:"dir"`
	S3URL        string `mapstructure:"s3_url"`
	S3Region     string `mapstructure:"s3_region"`
	S3AccessKey  Secret `mapstructure:"s3_access_key"`
	S3SecretKey  Secret `mapstructure:"s3_secret_key"`
	PublicURL    string `mapstructure:"public_url"`
	MaxBytes     int64  `mapstructure:"max_bytes"`
	AccountFiles int64  `mapstructure:"account_files"`
	AccountBytes int64  `mapstructure:"account_bytes"`
	Workers      int    `mapstructure:"workers"`
}

// Source is a folder of files that a tool reads; empty means the ones built in.
type Source struct {
	Dir string `mapstructure:"dir"`
}

// Edge is the proxy in front of the releases.
type Edge struct {
	Listen        string        `mapstructure:"listen"`
	AdminListen   string        `mapstructure:"admin_listen"`
	DrainDelay    time.Duration `mapstructure:"drain_delay"`
	ShutdownGrace time.Duration `mapstructure:"shutdown_grace"`
	MaxConnsPerIP int           `mapstructure:"max_conns_per_ip"`
	Proxies       string        `mapstructure:"trusted_proxies"`
	ProxyHeader   string        `mapstructure:"proxy_header"`
}

// Deploy is how a release is brought to a host.
type Deploy struct {
	App          string        `mapstructure:"app"`
	Root         string        `mapstructure:"root"`
	ReadyTimeout time.Duration `mapstructure:"ready_timeout"`
	DrainTimeout time.Duration `mapstructure:"drain_timeout"`
	LockTTL      time.Duration `mapstructure:"lock_ttl"`
}

// Release is where and how artefacts are built.
type Release struct {
	Dist        string `mapstructure:"dist"`
	SQLContract string `mapstructure:"sql_contract"`
	Migrations  string `mapstructure:"migrations"`
	MinSchema   int64  `mapstructure:"min_schema"`
}

// Perf is where baselines live and which k6 measures them.
type Perf struct {
	Dir string `mapstructure:"dir"`
	K6  string `mapstructure:"k6"`
}

// Limits is what bounds the policy of request limits, which lives in the database, and where servers share them.
type Limits struct {
	Mode     string `mapstructure:"mode"`
	RedisURL Secret `mapstructure:"redis_url"`
}

// AutoMode lets the environment choose the mode of limits, and a policy overrule it.
const AutoMode = "auto"

// LimitModes returns the mode of limits while no policy is applied, and the most that one may do; empty: whatever it says.
func (c *Config) LimitModes() (without, most string) {
	switch {
	case c.RateLimit.Mode != AutoMode:
		return c.RateLimit.Mode, c.RateLimit.Mode
	case c.Environment == Production:
		return "enforce", ""
	}
	return "shadow", ""
}

// Debug injects faults for rehearsals; Validate refuses it in production.
type Debug struct {
	FaultStatus int           `mapstructure:"fault_status"`
	FaultDelay  time.Duration `mapstructure:"fault_delay"`
}

// Production is the environment in which nothing is convenient and everything is strict.
const Production = "production"

// Validate returns one error that names every wrong value, or nil.
func (c *Config) Validate() error {
	var bad []fault.Field
	add := func(key, code, format string, args ...any) {
		bad = append(bad, fault.Field{Field: key, Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		add("log.level", "unknown", "%q is not debug, info, warn or error", c.Log.Level)
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.Log.Format) {
		add("log.format", "unknown", "%q is not auto, text or json", c.Log.Format)
	}
	if !slices.Contains([]string{"auto", "on", "off"}, c.Auth.EmailVerification) {
		add("auth.email_verification", "unknown", "%q is not auto, on or off", c.Auth.EmailVerification)
	}
	c.validateAddresses(add)
	c.validateLimits(add)
	for _, o := range c.Server.Origins() {
		if u, err := url.Parse(o); err != nil || u.Scheme == "" || u.Host == "" || o != u.Scheme+"://"+u.Host {
			add("server.cors_origins", "origin", "%q is not SCHEME://HOST[:PORT]", o)
		}
	}
	c.validateNumbers(add)
	c.Media.validate(add)
	if c.Environment == Production && (c.Debug.FaultStatus != 0 || c.Debug.FaultDelay != 0) {
		add("debug", "production", "fault injection is refused in production")
	}
	if len(bad) == 0 {
		return nil
	}
	slices.SortFunc(bad, func(a, b fault.Field) int { return strings.Compare(a.Field, b.Field) })
	names := make([]string, len(bad))
	for i, f := range bad {
		names[i] = f.Field + ": " + f.Message
	}
	return fault.New(fault.Config, "configuration: %s", strings.Join(names, "; ")).
		WithFields(bad...).WithHint("`platctl config show` prints every value with its origin")
}

func (c *Config) validateLimits(add func(key, code, format string, args ...any)) {
	if !slices.Contains([]string{AutoMode, "off", "shadow", "enforce"}, c.RateLimit.Mode) {
		add("ratelimit.mode", "unknown", "%q is not auto, off, shadow or enforce", c.RateLimit.Mode)
	}
	for key, p := range map[string][2]string{"server": {c.Server.Proxies, c.Server.ProxyHeader}, "edge": {c.Edge.Proxies, c.Edge.ProxyHeader}} {
		if _, err := clientaddr.ParseTrusted(p[0]); err != nil {
			add(key+".trusted_proxies", "address", "%s", fault.From(err).Message)
		} else if _, err := clientaddr.New(p[0], p[1]); err != nil {
			add(key+".proxy_header", "unknown", "%s", fault.From(err).Message)
		}
	}
}

func (c *Config) validateAddresses(add func(key, code, format string, args ...any)) {
	for key, addr := range map[string]string{
		"server.listen": c.Server.Listen, "server.admin_listen": c.Server.AdminListen,
		"edge.listen": c.Edge.Listen, "edge.admin_listen": c.Edge.AdminListen,
	} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			add(key, "address", "%q is not HOST:PORT", addr)
		}
	}
}

func (c *Config) validateNumbers(add func(key, code, format string, args ...any)) {
	for key, n := range map[string]int{"database.max_conns": c.Database.MaxConns, "auth.max_sessions": c.Auth.MaxSessions} {
		if n < 1 || n > 1000 {
			add(key, "range", "%d is not between 1 and 1000", n)
		}
	}
	for key, n := range map[string]int{"server.max_conns_per_ip": c.Server.MaxConnsPerIP, "edge.max_conns_per_ip": c.Edge.MaxConnsPerIP} {
		if n < 0 {
			add(key, "range", "%d is negative; 0 is no limit", n)
		}
	}
	if n := c.Cache.MaxBytes; n < 0 || n > 1<<40 {
		add("cache.max_bytes", "range", "%d is not between 0 and 2^40 bytes", n)
	}
	for key, d := range map[string]time.Duration{
		"deploy.lock_ttl": c.Deploy.LockTTL, "deploy.ready_timeout": c.Deploy.ReadyTimeout, "server.shutdown_grace": c.Server.ShutdownGrace,
		"deploy.drain_timeout": c.Deploy.DrainTimeout, "edge.shutdown_grace": c.Edge.ShutdownGrace,
	} {
		if d <= 0 {
			add(key, "range", "%s is not a positive duration", d)
		}
	}
	c.validateLives(add)
	for key, d := range map[string]time.Duration{
		"server.drain_delay": c.Server.DrainDelay, "edge.drain_delay": c.Edge.DrainDelay, "debug.fault_delay": c.Debug.FaultDelay,
	} {
		if d < 0 {
			add(key, "range", "%s is negative", d)
		}
	}
	if s := c.Debug.FaultStatus; s != 0 && (s < 400 || s > 599) {
		add("debug.fault_status", "range", "%d is not an HTTP error status", s)
	}
}

const (
	shortLife = time.Second
	dayLife   = 24 * time.Hour
	longLife  = 10 * 365 * dayLife
)

// validateLives bounds how long tokens and deleted accounts live. Revocations and old keys are kept for as long as an access token
// lives and a margin; near the longest duration that there is the sum would be negative, and nothing would be revoked.
func (c *Config) validateLives(add func(key, code, format string, args ...any)) {
	for key, l := range map[string]struct{ d, most time.Duration }{
		"auth.access_ttl": {c.Auth.AccessTTL, dayLife}, "auth.refresh_ttl": {c.Auth.RefreshTTL, longLife},
		"auth.deletion_grace": {c.Auth.DeletionGrace, longLife},
	} {
		if l.d < shortLife || l.d > l.most {
			add(key, "range", "%s is not between %s and %s", l.d, shortLife, l.most)
		}
	}
	if c.Auth.RefreshTTL < c.Auth.AccessTTL {
		add("auth.refresh_ttl", "range", "%s is shorter than auth.access_ttl, %s", c.Auth.RefreshTTL, c.Auth.AccessTTL)
	}
}

// maxPicture bounds media.max_bytes: the process that decodes a picture reads all of it.
const maxPicture = 64 << 20

func (m Media) validate(add func(key, code, format string, args ...any)) {
	for key, v := range map[string]string{"media.s3_url": m.S3URL, "media.public_url": m.PublicURL} {
		if v != "" && !plainURL(v) {
			add(key, "url", "it is not https://HOST/PATH")
		}
	}
	if m.S3URL != "" && m.PublicURL == "" {
		add("media.public_url", "missing", "media.s3_url needs it: where clients find what is in the bucket's folder public/")
	}
	for key, r := range map[string]struct{ n, low, high int64 }{
		"media.max_bytes": {m.MaxBytes, 1 << 10, maxPicture}, "media.workers": {int64(m.Workers), 1, 64},
		"media.account_files": {m.AccountFiles, 1, math.MaxInt64}, "media.account_bytes": {m.AccountBytes, 1, math.MaxInt64},
	} {
		if r.n < r.low || r.n > r.high {
			add(key, "range", "%d is not between %d and %d", r.n, r.low, r.high)
		}
	}
}

// plainURL says whether text is a URL of the web without a password or parameters.
func plainURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && u.RawQuery == ""
}
