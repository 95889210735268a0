package retention

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/confirmation"
	"github.com/platctl/platctl/internal/api/idempotency"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/purge"
)

// Rule says how long something is kept.
type Rule struct {
	What  string
	Keep  time.Duration
	Since string // what Keep counts from
	Why   string
	Batch int32 // rows of one transaction, or twice as many

	remove func(ctx context.Context, q *db.Queries, r Rule) (int64, error)
}

const (
	day  = 24 * time.Hour
	many = 1000
)

// Rules is everything that is kept for a while, in no particular order. What people write is kept until they delete it, the
// moderation log for good, and accounts as package purge says.
func Rules() []Rule {
	return []Rule{
		{"notifications", 90 * day, "the event", "nobody scrolls back further, and they grow with every like", many,
			of((*db.Queries).ExpireNotifications)},
		{"posts", 30 * day, "their deletion", "as long as an account that is deleted", many, posts},
		{"comments", 30 * day, "their deletion", "as long as an account that is deleted", many, of((*db.Queries).ExpireComments)},
		{"sessions", 30 * day, "their end, or none when they ran out", "to tell where somebody was logged in when an account was stolen", many,
			of((*db.Queries).ExpireSessions)},
		{"revocations", 0, "the end of the tokens they are about", "no token is left that they refuse", many, of((*db.Queries).ExpireRevocations)},
		{"replicas", time.Hour, "their last heart-beat", "the server was killed; its row warns for a minute only", many,
			of((*db.Queries).ExpireReplicas)},
		{"cache_busts", time.Hour, "the change they tell of", "every server reads them within a second, or forgets everything", many,
			of((*db.Queries).ExpireBusts)},
		{"events", 7 * day, "their line in the log", "to compare with the log when it is in doubt", many, of((*db.Queries).ExpireEvents)},
		{"confirmations", confirmation.Keep, "their request", "their codes are worth nothing any more", many,
			of((*db.Queries).ExpireConfirmations)},
		{"idempotency_keys", idempotency.Keep, "their request", "a client that asks again does it within minutes", many, of((*db.Queries).ExpireKeys)},
		{"reports", 365 * day, "their resolution", "to see whether somebody does it again; they quote people who may have left", many,
			of((*db.Queries).ExpireReports)},
	}
}

// of makes a rule's remove of a named query.
func of[P ~struct {
	KeepSeconds float64
	Batch       int32
}](query func(*db.Queries, context.Context, P) (int64, error)) func(context.Context, *db.Queries, Rule) (int64, error) {
	return func(ctx context.Context, q *db.Queries, r Rule) (int64, error) {
		return query(q, ctx, P{Batch: r.Batch, KeepSeconds: r.Keep.Seconds()})
	}
}

// posts removes what hangs on deleted posts before them.
func posts(ctx context.Context, q *db.Queries, r Rule) (int64, error) {
	ids, err := q.ExpiredPosts(ctx, db.ExpiredPostsParams{KeepSeconds: r.Keep.Seconds(), AtMost: purge.PostsAtOnce})
	if err != nil {
		return 0, err
	}
	return purge.Posts(ctx, q, ids, r.Batch)
}
