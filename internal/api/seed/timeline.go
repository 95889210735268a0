package seed

import "slices"

// event is something that a notification tells of.
type event struct {
	second           int64
	recipient, actor int64
	kind             string
	post, comment    int64 // 0: none
}

// timeline is what happens in one slice.
type timeline struct {
	posts, stats, follows, likes, comments *table
	events                                 []event
}

// content makes everything of one slice, parents before children.
func (w *world) content(s slice) []*table {
	t := &timeline{
		posts:    newTable("posts", "id author_id body created_at"),
		stats:    newTable("post_stats", "post_id like_count comment_count"),
		follows:  newTable("follows", "follower_id followee_id created_at"),
		likes:    newTable("likes", "post_id user_id created_at"),
		comments: newTable("comments", "id post_id author_id body created_at"),
	}
	end := w.second(s.to) - 1
	comment := s.comment
	for id := s.from; id < s.to; id++ {
		likes, comments := w.heat(id)
		author, second := w.author(id), w.second(id)
		t.posts.add(id, author, postText(newRNG(w.seed, kindPost, id)), w.at(second))
		t.stats.add(id, int64(likes), int64(comments))
		w.addLikes(t, id, author, likes, second, end)
		w.addComments(t, id, author, comments, second, end, comment)
		comment += int64(comments)
	}
	w.addFollows(t, s, end)
	return append([]*table{t.posts, t.stats, t.follows, t.likes, t.comments, w.notifications(t, s)}, w.postPictures(s.from, s.to)...)
}

// soon returns a second between from and end, within three days: most answers come early.
func soon(r *rng, from, end int64) int64 {
	most := int(min(end-from, 3*24*3600)) + 1
	return from + int64(min(r.below(most), r.below(most), r.below(most)))
}

func (w *world) addLikes(t *timeline, post, author int64, n int, from, end int64) {
	r := newRNG(w.seed, kindLike, post)
	for _, rank := range w.fans.distinct(r, n, func(rank int) bool { return w.atRank(rank) == author }) {
		second, user := soon(r, from, end), w.atRank(rank)
		t.likes.add(post, user, w.at(second))
		t.events = append(t.events, event{second: second, recipient: author, actor: user, kind: "like", post: post})
	}
}

// addComments numbers comments by post and not by time. The author answers too, which nobody is notified of, but to keep
// the count of notifications simple the plan gives those to the next person.
func (w *world) addComments(t *timeline, post, author int64, n int, from, end, id int64) {
	r := newRNG(w.seed, kindComment, post)
	for range n {
		second, rank := soon(r, from, end), w.fans.draw(r)
		if w.atRank(rank) == author {
			rank = (rank + 1) % w.crowd
		}
		t.comments.add(id, post, w.atRank(rank), commentText(r), w.at(second))
		t.events = append(t.events, event{second, author, w.atRank(rank), "comment", post, id})
		id++
	}
}

func (w *world) addFollows(t *timeline, s slice, end int64) {
	var who []int64
	for i := s.spreeFrom; i < s.spreeTo; i++ {
		who = append(who, w.first+int64(w.sprees.at(i)))
	}
	if s.withAccounts {
		for id := demoID; id < w.first; id++ {
			who = append(who, id)
		}
	}
	start := w.second(s.from)
	for _, follower := range who {
		r := newRNG(w.seed, kindShape, -follower-1)
		for _, followee := range w.followed(follower) {
			second := start + int64(r.below(int(end-start)+1))
			t.follows.add(follower, followee, w.at(second))
			t.events = append(t.events, event{second: second, recipient: followee, actor: follower, kind: "follow"})
		}
	}
}

// notifications puts the events in the order of time and numbers them.
func (w *world) notifications(t *timeline, s slice) *table {
	out := newTable("notifications", "id recipient_id actor_id kind post_id comment_id created_at")
	if !s.notify {
		return out
	}
	slices.SortStableFunc(t.events, func(a, b event) int { return int(a.second - b.second) })
	orNull := func(id int64) any {
		if id == 0 {
			return nil
		}
		return id
	}
	for i, e := range t.events {
		out.add(s.notice+int64(i), e.recipient, e.actor, e.kind, orNull(e.post), orNull(e.comment), w.at(e.second))
	}
	return out
}
