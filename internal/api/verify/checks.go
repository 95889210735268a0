package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// check is a rule about rows. find returns a row for each that breaks it: two numbers that name it, and a sentence.
type check struct {
	name, rule string
	needs      string // a table that older schemas lack
	find       string
	repair     []statement // in one transaction for each batch; none: a person or another part repairs
	hint       string
}

// statement takes the first numbers of a batch as an array, or both.
type statement struct {
	sql  string
	args int
}

func text(name string) string {
	data, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil { // the files are embedded: a test runs every check
		panic(err)
	}
	return string(data)
}

// checks lists the rules, those first whose repair changes what later ones count.
func (v *verifier) checks(ctx context.Context) ([]check, error) {
	out, err := v.orphans(ctx)
	if err != nil {
		return nil, err
	}
	lock := statement{text("blocks_lock"), 0}
	counts := []statement{{text("counts_ensure"), 1}, {text("counts_lock"), 1}}
	out = append(out,
		check{name: "hidden_missing", rule: "who blocked, or was blocked, sees nothing of the other", find: text("hidden_missing_find"),
			repair: []statement{lock, {text("hidden_missing_repair"), 2}}},
		check{name: "hidden_extra", rule: "only a block hides people from each other", find: text("hidden_extra_find"),
			repair: []statement{lock, {text("hidden_extra_repair"), 2}}},
		check{name: "follows_hidden", rule: "nobody follows who is hidden from them", find: text("follows_hidden_find"),
			repair: []statement{{text("follows_hidden_repair"), 2}}},
		check{name: "like_counts", rule: "like_count is the number of likes of living people", find: text("like_counts_find"),
			repair: append(counts[:2:2], statement{text("like_counts_repair"), 1})},
		check{name: "comment_counts", rule: "comment_count is the number of comments of living people", find: text("comment_counts_find"),
			repair: append(counts[:2:2], statement{text("comment_counts_repair"), 1})},
		check{name: "user_counts", rule: "post_count, follower_count and following_count are the posts that stand and the living people",
			needs: "user_stats", find: text("user_counts_find"),
			repair: []statement{{text("user_counts_ensure"), 1}, {text("user_counts_lock"), 1}, {text("user_counts_repair"), 1}}},
		check{name: "notification_state", rule: "nobody has seen notifications that don't exist yet", find: text("seen_find"),
			repair: []statement{{text("seen_repair"), 1}}},
		check{name: "media_attached", rule: "a picture is attached to what is its owner's, and what it was sent for", needs: "media_blobs",
			find: text("media_attached_find"), repair: []statement{{text("media_attached_repair"), 1}}},
		check{name: "media_pending", rule: "an upload becomes a picture, or fails, within an hour", needs: "media_blobs", find: text("media_pending_find"),
			hint: "`platctl media status` says why; a running `platctl serve` works on them"},
		check{name: "media_orphaned", rule: "the bytes of an upload are some picture's", needs: "media_blobs", find: text("media_orphaned_find"),
			hint: "`platctl media gc` removes them, with their objects"},
		check{name: "outbox", rule: "events are emitted within ten minutes", needs: "app_events", find: text("outbox_find"),
			hint: "a running `platctl serve` emits them; look for errors of its relay"},
	)
	return append(out, marketChecks()...), nil
}

// orphans makes a check for each foreign key: one that was switched off for a load, or restored from a damaged backup,
// lets rows in that point nowhere.
func (v *verifier) orphans(ctx context.Context) ([]check, error) {
	rows, err := v.reader.Query(ctx, text("foreign_keys"))
	if err != nil {
		return nil, databaseFault(err, "the foreign keys can't be read")
	}
	var out []check
	var child, column, parent, key string
	var cascades bool
	_, err = pgx.ForEachRow(rows, []any{&child, &column, &parent, &key, &cascades}, func() error {
		names := strings.NewReplacer("{child}", child, "{column}", column, "{parent}", parent, "{key}", key)
		c := check{name: fmt.Sprintf("orphans %s.%s", child, column), rule: fmt.Sprintf("%s.%s points at a row of %s", child, column, parent),
			find: names.Replace(text("orphans_find"))}
		if cascades {
			c.repair = []statement{{names.Replace(text("orphans_repair")), 2}}
		} else {
			c.hint = "the foreign key doesn't say what becomes of such a row; decide, and change it by hand"
		}
		out = append(out, c)
		return nil
	})
	return out, databaseFault(err, "the foreign keys can't be read")
}
