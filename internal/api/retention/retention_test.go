package retention_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/retention"
	"github.com/platctl/platctl/internal/api/verify"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func open(t *testing.T) (*pgxpool.Pool, func(sql string, args ...any)) {
	t.Helper()
	pool, err := pg.Open(t.Context(), pgtest.New(t, apitest.Template(t)), pg.Options{StatementTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%v: %s", err, sql)
		}
	}
	exec("insert into users (handle, display_name, password_hash) values ('ana', 'Ana', 'x'), ('ben', 'Ben', 'x'), ('cleo', 'Cleo', 'x')")
	return pool, exec
}

// made is how rows of a rule are made: n of them, of the age that $1 says. table is where they are counted.
type made struct{ table, sql string }

func rows() map[string]made {
	const n = "generate_series(1, $2::int)"
	return map[string]made{
		"notifications": {"notifications", "insert into notifications (recipient_id, actor_id, kind, created_at) select 1, 2, 'follow', now() - $1::interval from " + n},
		"posts":         {"posts", "insert into posts (author_id, body, created_at, deleted_at) select 1, 'x', now(), now() - $1::interval from " + n},
		"comments": {"comments", "insert into comments (post_id, author_id, body, deleted_at) select (select id from posts where body = 'stays'), 1, 'x', " +
			"now() - $1::interval from " + n},
		"sessions": {"sessions", "insert into sessions (user_id, hmac_key, expires_at, revoked_at, revoked_reason) select 1, decode(repeat('00', 32), 'hex'), " +
			"now() + interval '1 day', now() - $1::interval, 'logout' from " + n},
		"revocations": {"revocations", "insert into revocations (kind, subject, expires_at) select 'session', 1, now() - $1::interval from " + n},
		"replicas":    {"replicas", "insert into replicas (id, applied_seq, applied, applied_at) select i || $1::text, 0, '1:1:', now() - $1::interval from " + n + " i"},
		"cache_busts": {"cache_busts", "insert into cache_busts (tags, created_at) select array['x'], now() - $1::interval from " + n},
		"events":      {"app_events", "insert into app_events (kind, payload, trace_id, emitted_at) select 'x', '{}', '', now() - $1::interval from " + n},
		"confirmations": {"confirmations", "insert into confirmations (purpose, email, user_id, created_at) select 'reset', 'a@market.test', 1, " +
			"now() - $1::interval from " + n},
		"idempotency_keys": {"idempotency_keys", "insert into idempotency_keys (account_id, key, fingerprint, created_at) select 1, i || md5($1::text), decode(repeat('00', 32), 'hex'), " +
			"now() - $1::interval from " + n + " i"},
		"reports": {"reports", "insert into reports (target_kind, target_id, reason, snapshot, resolved_at, resolution, resolution_reason) " +
			"select 'user', 1, 'spam', 'x', now() - $1::interval, 'dismissed', 'x' from " + n},
	}
}

// Each rule removes what is older than it says, in however many batches, and nothing else.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, r := range retention.Rules() {
		t.Run(r.What, func(t *testing.T) {
			t.Parallel()
			m, ok := rows()[r.What]
			if !ok {
				t.Fatal("no rows are made for this rule")
			}
			pool, exec := open(t)
			exec("insert into posts (author_id, body) values (1, 'stays')")
			count := func() (n int) {
				if err := pool.QueryRow(t.Context(), "select count(*) from "+m.table).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			before := count()
			exec(m.sql, fmt.Sprintf("%d seconds", int(r.Keep.Seconds())+60), int(r.Batch)*2+7)
			exec(m.sql, fmt.Sprintf("%d seconds", int(r.Keep.Seconds())-60), 3)
			k := retention.New(pool, slog.New(slog.DiscardHandler))
			if err := k.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := count(); n != before+3 {
				t.Errorf("%d rows are left, want %d", n, before+3)
			}
			if got := counted(t, k.Metrics(), r.What); got != int(r.Batch)*2+7 {
				t.Errorf("retention_deleted_total is %d", got)
			}
			if rep, err := verify.Run(t.Context(), pool.Config().ConnString(), verify.Options{}); err != nil || rep.Drift != 0 {
				t.Errorf("verify: %+v, %v", rep, err)
			}
		})
	}
}

// counted reads retention_deleted_total of a rule.
func counted(t *testing.T, c prometheus.Collector, what string) int {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "retention_deleted_total" {
		t.Fatalf("%v, %v", families, err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == what {
			return int(m.GetCounter().GetValue())
		}
	}
	t.Fatalf("no %s in %v", what, families)
	return 0
}

// Expired sessions go at once; a deleted post takes along what others wrote below it; a comment its notification.
func TestWhatHangsOnIt(t *testing.T) {
	t.Parallel()
	pool, exec := open(t)
	for _, sql := range []string{
		"insert into sessions (user_id, hmac_key, expires_at) values (1, decode(repeat('00', 32), 'hex'), now() - interval '1 second')",
		"insert into posts (author_id, body, deleted_at) select 1, 'old', now() - interval '31 days' from generate_series(1, 600)",
		"insert into posts (author_id, body) values (1, 'stays')",
		"insert into comments (post_id, author_id, body) select id, 2, 'below' from posts",
		"insert into likes (post_id, user_id) select id, 3 from posts",
		"insert into post_stats (post_id, like_count, comment_count) select id, 1, 1 from posts",
		"insert into notifications (recipient_id, actor_id, kind, post_id, comment_id) select 1, 2, 'comment', post_id, id from comments",
	} {
		exec(sql)
	}
	if err := retention.New(pool, slog.New(slog.DiscardHandler)).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"posts", "comments", "likes", "post_stats", "notifications"} {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil || n != 1 {
			t.Errorf("%d rows of %s are left, %v; want the one of the post that stays", n, table, err)
		}
	}
	var sessions int
	if err := pool.QueryRow(t.Context(), "select count(*) from sessions").Scan(&sessions); err != nil || sessions != 0 {
		t.Errorf("%d expired sessions are left, %v", sessions, err)
	}
	if rep, err := verify.Run(t.Context(), pool.Config().ConnString(), verify.Options{}); err != nil || rep.Drift != 0 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

// A rule that fails is told and holds up no other.
func TestOneRuleFails(t *testing.T) {
	t.Parallel()
	pool, exec := open(t)
	exec("insert into posts (author_id, body) values (1, 'stays')")
	for _, m := range rows() {
		exec(m.sql, "400 days", 5)
	}
	exec("create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$")
	exec("create trigger refuse before delete on notifications for each row execute function refuse()")
	err := retention.New(pool, slog.New(slog.DiscardHandler)).Apply(t.Context())
	if err == nil || !strings.Contains(err.Error(), "remove old notifications") {
		t.Errorf("err = %v", err)
	}
	for what, m := range rows() {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from "+m.table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		// The people and the post that are there have just been written, and each left a bust.
		if want := map[string]int{"notifications": 5, "posts": 1, "cache_busts": 2}[what]; n != want {
			t.Errorf("%d of %s are left, want %d", n, what, want)
		}
	}
}

// The page that people read says what the rules do.
func TestThePageTellsTheRules(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/data.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range retention.Rules() {
		row := fmt.Sprintf("| %s | %s | %s | %s |", r.What, keep(r.Keep), r.Since, r.Why)
		if !bytes.Contains(page, []byte("\n"+row+"\n")) {
			t.Errorf("docs/data.md lacks the row\n%s", row)
		}
	}
}

func keep(d time.Duration) string {
	switch {
	case d == 0:
		return "not"
	case d == 24*time.Hour:
		return "a day"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d == time.Hour:
		return "an hour"
	}
	return fmt.Sprintf("%d hours", d/time.Hour)
}
