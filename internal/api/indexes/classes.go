package indexes

import (
	"strings"

	"github.com/platctl/platctl/internal/api/seed"
)

// class is one kind of caller of a query. values gives parameters as SQL that yields one value on a seeded database.
type class struct {
	name   string
	values map[string]string
}

// always are the parameters that every class shares: the first page.
func always() map[string]string {
	return map[string]string{
		"before_id": "9223372036854775807", "after_id": "0", "page_size": "21", "skip": "0", "at_most": "100", "first_page": "true",
		"viewer_id": user(seed.Viewer300),
	}
}

func user(handle string) string { return "(select id from users where handle = '" + handle + "')" }

func one(name, param, sql string) class { return class{name, map[string]string{param: sql}} }

// classes says with what each list is explained. A list without a row here fails a test; a row may be there before its
// query. The extremes are looked up in the data, with the id to decide between equals.
func classes() map[string][]class {
	by := func(param, table, column string) []class {
		in := strings.NewReplacer("%t", table, "%c", column).Replace
		const most = "(select %c from %t group by 1 order by count(*) desc, 1 limit 1)"
		const few = "(select %c from %t group by 1 order by count(*), 1 limit 1)"
		return []class{one("most", param, in(most)), one("fewest", param, in(few))}
	}
	var viewers []class
	for _, v := range seed.Viewers() {
		viewers = append(viewers, one(v, "viewer_id", user(v)))
	}
	search := func(name, prefix string) class {
		return class{name, map[string]string{"lo": "'" + prefix + "'", "hi": "'" + prefix + "~'", "words": "'" + prefix + ":*'", "exact": "'" + prefix + "'"}}
	}
	events := by("viewer_id", "notifications", "recipient_id")
	for _, c := range events {
		c.values["page_size"] = "201"
	}
	return map[string][]class{
		"HomeFeed":            viewers,
		"ListUserPosts":       by("author_id", "posts", "author_id"),
		"ListFollowers":       by("id", "follows", "followee_id"),
		"ListFollowing":       by("id", "follows", "follower_id"),
		"ListBlocks":          by("viewer_id", "blocks", "blocker_id"),
		"ListNotifications":   events,
		"CountUnread":         by("viewer_id", "notifications", "recipient_id"),
		"ListComments":        by("post_id", "comments", "post_id"),
		"ListLikers":          by("post_id", "likes", "post_id"),
		"SearchPeople":        {search("common", "a"), search("rare", "zora_market")},
		"ListSessions":        {one("nobody logged in", "user_id", user(seed.Handle))},
		"ListOpenReports":     {{name: "nothing reported"}},
		"ListResolvedReports": {{name: "nothing reported"}},
		"ListModerationLog":   {{name: "nothing done"}},
		"ListProducts":        {{name: "first page"}, one("page 50", "skip", "1000")},
	}
}
