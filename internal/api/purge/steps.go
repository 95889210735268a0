package purge

import (
	"context"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// step empties one corner of an account.
type step struct {
	what   string   // whose rows go: a table, for metrics and progress
	covers []string // the columns that point at users and hold nobody's id afterwards
	batch  int32    // rows of one transaction
	run    run
}

// run removes up to batch rows and returns how many those were; 0 means that nothing is left.
type run func(ctx context.Context, q *db.Queries, account int64, batch int32) (int64, error)

const (
	many = 1000 // rows of one statement: some 15 ms
	// A block takes two locks that live in a table of bounded size, and one statement of the step takes two batches.
	few = 50
)

// steps are what a purge does before the account's own row goes, in this order: what others see first, what only counts
// rows last. Whoever adds a table that points at users adds a line here, or to exempt in the tests.
func steps() []step {
	return []step{
		{"notifications", []string{"notifications.recipient_id"}, many, of((*db.Queries).PurgeInbox)},
		{"notifications", []string{"notifications.actor_id"}, many, of((*db.Queries).PurgeOutbox)}, // in the lists of others
		{"notification_state", []string{"notification_state.user_id"}, 1, one((*db.Queries).PurgeSeen)},
		{"likes", []string{"likes.user_id"}, many, of((*db.Queries).PurgeLikes)},
		{"comments", []string{"comments.author_id"}, many, of((*db.Queries).PurgeComments)},
		{"posts", []string{"posts.author_id"}, many, posts}, // with what others wrote below them
		{"follows", []string{"follows.follower_id"}, many, of((*db.Queries).PurgeFollowing)},
		{"follows", []string{"follows.followee_id"}, many, of((*db.Queries).PurgeFollowers)},
		{"blocks", []string{"blocks.blocker_id", "blocks.blocked_id"}, few, of((*db.Queries).PurgeBlocks)},
		{"hidden", []string{"hidden.viewer_id", "hidden.other_id"}, many, of((*db.Queries).PurgeHidden)}, // a trigger took nearly all
		{"reports", []string{"reports.reporter_id"}, many, of((*db.Queries).PurgeReporter)},              // they stay, without a name
		{"reports", []string{"reports.resolved_by"}, many, of((*db.Queries).PurgeResolver)},
		{"reports", []string{"reports.subject_id"}, many, of((*db.Queries).PurgeReported)}, // but with a name where there is a ban
		{"pictures", []string{"media.owner_id"}, many, of((*db.Queries).PurgePictures)},
		{"avatars", []string{"avatars.user_id"}, 1, one((*db.Queries).PurgeAvatar)},
		{"pictures", []string{"media_blobs.owner_id"}, many, of((*db.Queries).PurgeBytes)}, // the clean-up of pictures removes them
		{"sessions", []string{"sessions.user_id"}, many, of((*db.Queries).PurgeSessions)},
		{"confirmations", []string{"confirmations.user_id"}, many, of((*db.Queries).PurgeAddresses)},
		{"orders", []string{"orders.buyer_id"}, many, of((*db.Queries).PurgeBuyer)}, // they stay, without a name
		{"order_events", []string{"order_events.actor_id"}, many, of((*db.Queries).PurgeOrderSteps)},
		{"farm_members", []string{"farm_members.user_id"}, many, of((*db.Queries).PurgeMemberships)},
		{"cart_items", []string{"cart_items.user_id"}, many, of((*db.Queries).PurgeCart)},
		{"idempotency_keys", []string{"idempotency_keys.account_id"}, many, of((*db.Queries).PurgeKeys)},
		{"user_stats", []string{"user_stats.user_id"}, 1, one((*db.Queries).PurgeStats)}, // triggers of the steps above move them
	}
}

// of makes a step's run of a named query.
func of[P ~struct {
	ID    int64
	Batch int32
}](query func(*db.Queries, context.Context, P) (int64, error)) run {
	return func(ctx context.Context, q *db.Queries, account int64, batch int32) (int64, error) {
		return query(q, ctx, P{ID: account, Batch: batch})
	}
}

// one makes a step's run of a query about a single row.
func one(query func(*db.Queries, context.Context, int64) (int64, error)) run {
	return func(ctx context.Context, q *db.Queries, account int64, _ int32) (int64, error) {
		return query(q, ctx, account)
	}
}

// PostsAtOnce is how many posts are emptied together.
const PostsAtOnce = 250

func posts(ctx context.Context, q *db.Queries, account int64, batch int32) (int64, error) {
	ids, err := q.PostsToPurge(ctx, db.PostsToPurgeParams{ID: account, AtMost: PostsAtOnce})
	if err != nil {
		return 0, err
	}
	return Posts(ctx, q, ids, batch)
}

// Posts removes up to batch rows of what hangs on these posts, and the posts when nothing does any more. 0 means that there
// are no such posts.
func Posts(ctx context.Context, q *db.Queries, ids []int64, batch int32) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	for _, below := range []func(context.Context) (int64, error){
		func(ctx context.Context) (int64, error) {
			return q.DeletePostNotifications(ctx, db.DeletePostNotificationsParams{Posts: ids, Batch: batch})
		},
		func(ctx context.Context) (int64, error) {
			return q.DeletePostLikes(ctx, db.DeletePostLikesParams{Posts: ids, Batch: batch})
		},
		func(ctx context.Context) (int64, error) {
			return q.DeletePostComments(ctx, db.DeletePostCommentsParams{Posts: ids, Batch: batch})
		},
	} {
		if n, err := below(ctx); err != nil || n > 0 {
			return n, err
		}
	}
	if _, err := q.DeletePostStats(ctx, ids); err != nil {
		return 0, err
	}
	return q.DeletePosts(ctx, ids)
}
