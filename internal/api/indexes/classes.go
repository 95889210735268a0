package indexes

import (
	"maps"
	"strings"

	"github.com/platctl/platctl/internal/api/seed"
)

// class is one kind of call of a query. values gives parameters as SQL that yields one value on a seeded database; change is
// what the data lacks, made in the transaction that is rolled back, in one table.
type class struct {
	name          string
	values        map[string]string
	change, table string
}

// always are the parameters that every class shares: the first page, with the row more than 20 by which the API knows that
// another page follows.
func always() map[string]string {
	return map[string]string{
		"before_id": "9223372036854775807", "after_id": "0", "page_size": "21", "skip": "0", "at_most": "100", "first_page": "true",
		"viewer_id": user(seed.Viewer300),
	}
}

func user(handle string) string { return "(select id from users where handle = '" + handle + "')" }

func one(name, param, sql string) class {
	return class{name: name, values: map[string]string{param: sql}}
}

// with gives every class one more parameter.
func with(cs []class, param, sql string) []class {
	for _, c := range cs {
		c.values[param] = sql
	}
	return cs
}

// extremes are the classes with the most and the fewest rows. They are looked up in the data, with the id to decide between
// equals.
func extremes(param, table, column string) []class {
	in := strings.NewReplacer("%t", table, "%c", column).Replace
	return []class{
		one("most", param, in("(select %c from %t group by 1 order by count(*) desc, 1 limit 1)")),
		one("fewest", param, in("(select %c from %t group by 1 order by count(*), 1 limit 1)")),
	}
}

// many is a caller from whom two hundred people are hidden: nobody in a dataset has blocked so many.
func many(c class, viewer string) class {
	c.name += ", 200 hidden"
	c.values = maps.Clone(c.values)
	c.values["viewer_id"] = user(viewer)
	c.change = `insert into hidden (viewer_id, other_id) select v.id, u.id from users v, users u
		where v.handle = '` + viewer + `' and u.id <> v.id and u.id > 10 order by u.id % 100 <> 7, u.id limit 200 on conflict do nothing`
	c.table = "hidden"
	return c
}

// public adds the other callers to the first class of a list that everybody may read: nobody, who is anonymous, and
// somebody from whom many are hidden.
func public(cs []class) []class {
	nobody := cs[0]
	nobody.name += ", anonymous"
	nobody.values = maps.Clone(nobody.values)
	nobody.values["viewer_id"] = "0"
	return append(cs, nobody, many(cs[0], seed.Viewer300))
}

// What no dataset has is made for the measurement.

func sessions() class {
	c := one("30 logins", "user_id", user(seed.Handle))
	c.table = "sessions"
	c.change = "insert into sessions (user_id, hmac_key, expires_at) select " + user(seed.Handle) +
		", repeat('x', 32)::bytea, now() + interval '1 day' from generate_series(1, 30)"
	return c
}

func reports() class {
	return class{name: "5,000 reports, 500 open", table: "reports", change: `
		insert into reports (reporter_id, target_kind, target_id, subject_id, reason, snapshot, resolved_at, resolution, resolution_reason)
		select 10 + i % 900, 'post', i, 10 + i % 700, 'spam', 'Cheap watches!', case when i % 10 > 0 then now() end,
		       case when i % 10 > 0 then 'dismissed' end, case when i % 10 > 0 then 'They do sell watches.' end
		from generate_series(1, 5000) i; analyze reports`}
}

func moderation() class {
	return class{name: "5,000 acts", table: "moderation_log", change: `
		insert into moderation_log (actor_id, action, target_kind, target_id, subject_id, reason, trace_id)
		select 10 + i % 5, 'post_removed', 'post', i, 10 + i % 700, 'Spam.', '' from generate_series(1, 5000) i; analyze moderation_log`}
}

// classes says with what each list is explained. A list without a row here fails a test; a row may be there before its query.
func classes() map[string][]class {
	var viewers []class
	for _, v := range seed.Viewers() {
		viewers = append(viewers, one(v, "viewer_id", user(v)))
	}
	deep := one(seed.Viewer2000+", further down", "viewer_id", user(seed.Viewer2000))
	deep.values["before_id"] = "(select max(id) / 2 from posts)"
	search := func(name, prefix string) class {
		return class{name: name, values: map[string]string{"lo": "'" + prefix + "'", "hi": "'" + prefix + "~'", "words": "'" + prefix + ":*'", "exact": "'" + prefix + "'"}}
	}
	out := map[string][]class{
		"HomeFeed":            append(viewers, many(viewers[0], seed.Viewer300), many(viewers[2], seed.Viewer2000), deep),
		"ListUserPosts":       public(extremes("author_id", "posts", "author_id")),
		"ListFollowers":       public(extremes("id", "follows", "followee_id")),
		"ListFollowing":       public(extremes("id", "follows", "follower_id")),
		"ListBlocks":          extremes("viewer_id", "blocks", "blocker_id"),
		"ListNotifications":   with(extremes("viewer_id", "notifications", "recipient_id"), "page_size", "201"), // it groups events
		"CountUnread":         extremes("viewer_id", "notifications", "recipient_id"),
		"ListComments":        public(extremes("post_id", "comments", "post_id")),
		"ListLikers":          public(extremes("post_id", "likes", "post_id")),
		"SearchPeople":        public([]class{search("common", "a"), search("rare", "zora_market")}),
		"ListSessions":        {sessions()},
		"ListOpenReports":     {reports()},
		"ListResolvedReports": {reports()},
		"ListModerationLog":   {moderation()},
		"UserProfile":         public(extremes("id", "posts", "author_id")),
	}
	maps.Copy(out, marketClasses())
	return out
}
