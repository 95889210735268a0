package config

import "slices"

// Field documents one key: the default, what it means and whether its value is secret.
type Field struct {
	Key     string
	Default any
	Secret  bool
	Doc     string
}

// Fields lists every key in the order in which `config show` prints them. The default state directory depends on the
// user, so the caller gives it.
func Fields(stateDir string) []Field {
	return slices.Concat(apiFields(stateDir), pictureFields(), toolFields())
}

func apiFields(stateDir string) []Field {
	return []Field{
		{Key: "environment", Default: "development", Doc: "development, production or a name of yours; configs/<environment>.yaml is read when it exists"},
		{Key: "state_dir", Default: stateDir, Doc: "where platctl keeps what must survive a restart"},
		{Key: "log.level", Default: "info", Doc: "debug, info, warn or error"},
		{Key: "log.format", Default: "auto", Doc: "auto (text on a terminal, else json), text or json"},
		{Key: "server.listen", Default: "127.0.0.1:8080", Doc: "the API's address"},
		{Key: "server.socket", Default: "", Doc: "a unix socket to listen on instead of an address"},
		{Key: "server.admin_listen", Default: "127.0.0.1:9090", Doc: "metrics and profiles; empty turns them off; behind server.socket the default is on the control socket"},
		{Key: "server.control_socket", Default: "", Doc: "the unix socket on which a release takes its role, active or standby"},
		{Key: "server.drain_delay", Default: "3s", Doc: "how long to answer with Connection: close before shutting down"},
		{Key: "server.shutdown_grace", Default: "20s", Doc: "how long requests in flight may take after that"},
		{Key: "server.cors_origins", Default: "", Doc: "browsers' origins that may call the API, exactly, separated by commas"},
		{Key: "server.max_conns_per_ip", Default: 256, Doc: "connections one address may have open; 0: no limit, which a proxy on another machine needs"},
		{Key: "server.trusted_proxies", Default: "", Doc: "addresses and networks of proxies that say who the client is; platctl's edge needs no entry"},
		{Key: "server.proxy_header", Default: "X-Forwarded-For", Doc: "the header that those proxies write: X-Forwarded-For or Forwarded"},
		{Key: "database.url", Default: "", Secret: true, Doc: "PostgreSQL URL, or env:NAME, or file:PATH; empty: the private PostgreSQL"},
		{Key: "database.max_conns", Default: 10, Doc: "connections in the server's pool; all are opened at the start"},
		{Key: "localpg.dir", Default: "", Doc: "data directory of the private PostgreSQL; empty: <state_dir>/postgres"},
		{Key: "localpg.bin_dir", Default: "", Doc: "folder with initdb and postgres; empty: PATH, then the distribution's folders"},
		{Key: "cache.max_bytes", Default: 64 << 20, Doc: "memory for answers of the catalogue and of profiles that are kept; 0: none are"},
		{Key: "auth.signing_key", Default: "", Secret: true, Doc: "the ring of keys that sign access tokens (`platctl keys`), or 32 bytes in base64"},
		{Key: "auth.id_key", Default: "", Secret: true, Doc: "16 bytes or more in base64 that hide database ids; another key changes every id"},
		{Key: "auth.access_ttl", Default: "10m", Doc: "life of an access token"},
		{Key: "auth.refresh_ttl", Default: "720h", Doc: "life of a refresh token"},
		{Key: "auth.max_sessions", Default: 50, Doc: "live sessions of one account; the least recently used ends when another opens"},
		{Key: "auth.email_verification", Default: "auto", Doc: "on: an account is made when a mailed code confirms its address; off: at once; auto: on in production"},
		{Key: "mail.from", Default: "", Doc: "the sender, NAME <ADDRESS>; empty: a made-up one, for mail.dir only"},
		{Key: "mail.smtp_url", Default: "", Secret: true, Doc: "smtp://USER:PASSWORD@HOST:587 (STARTTLS, but on this machine) or smtps://, or env:NAME, or file:PATH; empty: mail.dir"},
		{Key: "mail.dir", Default: "", Doc: "folder that mail is written to where no server is set; empty: <state_dir>/outbox"},
		{Key: "auth.deletion_grace", Default: "720h", Doc: "how long a deleted account can be restored before it is purged"},
	}
}

func pictureFields() []Field {
	return []Field{
		{Key: "media.dir", Default: "", Doc: "folder for pictures, and for those on their way; empty: <state_dir>/media"},
		{Key: "media.s3_url", Default: "", Doc: "https://HOST[:PORT]/BUCKET to keep pictures in; empty: media.dir"},
		{Key: "media.s3_region", Default: "us-east-1", Doc: "region of the bucket"},
		{Key: "media.s3_access_key", Default: "", Secret: true, Doc: "who writes to the bucket"},
		{Key: "media.s3_secret_key", Default: "", Secret: true, Doc: "and its secret"},
		{Key: "media.public_url", Default: "", Doc: "where clients find pictures; empty: /media of this server, which media.s3_url can't use"},
		{Key: "media.max_bytes", Default: 10 << 20, Doc: "bytes of one picture as it is sent"},
		{Key: "media.account_files", Default: 2000, Doc: "pictures of one account"},
		{Key: "media.account_bytes", Default: 2 << 30, Doc: "their bytes together, as they were sent"},
		{Key: "media.workers", Default: 1, Doc: "pictures worked on at once by this server; each takes up to 512 MB for up to 20 s"},
	}
}

func toolFields() []Field {
	return []Field{
		{Key: "migrations.dir", Default: "", Doc: "folder of migrations; empty: the ones built in"},
		{Key: "edge.listen", Default: "127.0.0.1:8000", Doc: "the address clients talk to"},
		{Key: "edge.admin_listen", Default: "127.0.0.1:9091", Doc: "the edge's metrics; empty turns them off"},
		{Key: "edge.drain_delay", Default: "3s", Doc: "how long a stopping edge answers with Connection: close before it takes no new connections"},
		{Key: "edge.shutdown_grace", Default: "20s", Doc: "how long requests in flight at the edge may take after that"},
		{Key: "edge.max_conns_per_ip", Default: 256, Doc: "connections one address may have open; 0: no limit, which a proxy on another machine needs"},
		{Key: "edge.trusted_proxies", Default: "", Doc: "addresses and networks of proxies before the edge that say who the client is"},
		{Key: "edge.proxy_header", Default: "X-Forwarded-For", Doc: "the header that those proxies write: X-Forwarded-For or Forwarded"},
		{Key: "deploy.app", Default: "platctl", Doc: "the name under which releases live on a host"},
		{Key: "deploy.root", Default: "", Doc: "where releases, sockets and the ledger live; empty: <state_dir>/apps"},
		{Key: "deploy.ready_timeout", Default: "30s", Doc: "how long a new release may take to become ready"},
		{Key: "deploy.drain_timeout", Default: "20s", Doc: "how long the old release may take to finish its requests"},
		{Key: "deploy.lock_ttl", Default: "10m", Doc: "age at which a deploy lock of a dead owner may be taken over"},
		{Key: "release.dist", Default: "dist", Doc: "where releases are built"},
		{Key: "release.sql_contract", Default: "internal/api/postgres/sqlcontract.json", Doc: "the SQL contract to ship; a release without one when the file does not exist"},
		{Key: "release.migrations", Default: "internal/api/postgres/migrations", Doc: "folder whose newest migration a release is built for; no database when it does not exist"},
		{Key: "release.min_schema", Default: 0, Doc: "the oldest migration a release runs on; 0: the newest, which promises least"},
		{Key: "perf.dir", Default: "perf", Doc: "where baselines are stored"},
		{Key: "perf.k6", Default: "", Doc: "the k6 with our extension; empty: beside platctl, then PATH"},
		{Key: "ratelimit.mode", Default: "auto", Doc: "auto (what the policy says; without one shadow, in production enforce), or the most that a policy may do: off, shadow, enforce"},
		{Key: "ratelimit.redis_url", Default: "", Secret: true, Doc: "redis://USER:PASSWORD@HOST:6379/DATABASE (rediss:// for TLS) through which servers share limits, or env:NAME, or file:PATH; empty: PostgreSQL"},
		{Key: "debug.fault_status", Default: 0, Doc: "answer every API request with this status; refused in production"},
		{Key: "debug.fault_delay", Default: "0s", Doc: "delay every API request by this much; refused in production"},
	}
}
