package server_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
)

func newPost(t *testing.T, c *client.Client, body string) client.PostId {
	t.Helper()
	p, err := c.CreatePost(t.Context(), &client.CreatePostRequest{Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return p.Data.ID
}

func TestPosts(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	id := newPost(t, a, "first")
	newPost(t, a, "second")
	edited, err := a.EditPost(ctx, &client.EditPostRequest{Body: " first, better "}, client.EditPostParams{ID: id})
	if err != nil || edited.Data.Body != "first, better" || edited.Data.EditedAt.Null || edited.Data.EditedAt.Value.Before(edited.Data.CreatedAt) {
		t.Fatalf("edited = %+v, %v", edited, err)
	}
	_, err = b.EditPost(ctx, &client.EditPostRequest{Body: "stolen"}, client.EditPostParams{ID: id})
	wantProblem(t, err, 403, "not_yours")
	_, err = a.EditPost(ctx, &client.EditPostRequest{Body: " "}, client.EditPostParams{ID: id})
	wantProblem(t, err, 400, "invalid_input")
	wantProblem(t, b.DeletePost(ctx, client.DeletePostParams{ID: id}), 403, "not_yours")
	page, err := b.ListUserPosts(ctx, client.ListUserPostsParams{ID: ana.User.ID, Limit: client.NewOptInt32(1)})
	if err != nil || len(page.Data) != 1 || page.Data[0].Body != "second" || !page.Data[0].EditedAt.Null {
		t.Fatalf("page = %+v, %v", page, err)
	}
	page, err = b.ListUserPosts(ctx, client.ListUserPostsParams{ID: ana.User.ID, Cursor: client.NewOptString(page.Meta.NextCursor.Value)})
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != id || !page.Meta.NextCursor.Null {
		t.Fatalf("second page = %+v, %v", page, err)
	}
	if err := a.DeletePost(ctx, client.DeletePostParams{ID: id}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, a.DeletePost(ctx, client.DeletePostParams{ID: id}), 404, "not_found")
	_, err = a.GetPost(ctx, client.GetPostParams{ID: id})
	wantProblem(t, err, 404, "not_found")
	_, err = b.LikePost(ctx, client.LikePostParams{ID: id})
	wantProblem(t, err, 404, "not_found")
}

func TestComments(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	_, b := env.Signup("ben")
	_, c := env.Signup("cleo")
	id := newPost(t, a, "plums")
	write := func(by *client.Client, body string) client.CommentId {
		res, err := by.CreateComment(ctx, &client.CreateCommentRequest{Body: body}, client.CreateCommentParams{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return res.Data.ID
	}
	one, two, three := write(b, "one"), write(c, "two"), write(b, "three")
	page, err := a.ListComments(ctx, client.ListCommentsParams{ID: id, Limit: client.NewOptInt32(2)})
	if err != nil || len(page.Data) != 2 || page.Data[0].ID != one || page.Data[1].ID != two {
		t.Fatalf("page = %+v, %v", page, err)
	}
	page, err = a.ListComments(ctx, client.ListCommentsParams{ID: id, Cursor: client.NewOptString(page.Meta.NextCursor.Value)})
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != three || !page.Meta.NextCursor.Null {
		t.Fatalf("second page = %+v, %v", page, err)
	}
	wantProblem(t, c.DeleteComment(ctx, client.DeleteCommentParams{ID: one}), 403, "not_yours")
	if err := b.DeleteComment(ctx, client.DeleteCommentParams{ID: one}); err != nil {
		t.Error("the writer:", err)
	}
	if err := a.DeleteComment(ctx, client.DeleteCommentParams{ID: two}); err != nil {
		t.Error("the post's author:", err)
	}
	wantProblem(t, a.DeleteComment(ctx, client.DeleteCommentParams{ID: two}), 404, "not_found")
	wantCounts(t, c, id, 0, 1)
	_, err = b.CreateComment(ctx, &client.CreateCommentRequest{Body: "\u200b\x01"}, client.CreateCommentParams{ID: id})
	wantProblem(t, err, 400, "invalid_input")
}

func wantCounts(t *testing.T, c *client.Client, id client.PostId, likes, comments int64) {
	t.Helper()
	p, err := c.GetPost(t.Context(), client.GetPostParams{ID: id})
	if err != nil || p.Data.LikeCount != likes || p.Data.CommentCount != comments {
		t.Errorf("post = %+v, %v; want %d likes, %d comments", p, err, likes, comments)
	}
}

// Counters move once for each like that is really new or really gone, also when many come at once.
func TestLikes(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	id := newPost(t, a, "plums")
	const people = 6
	var wg sync.WaitGroup
	clients := make([]*client.Client, people)
	for i := range people {
		_, clients[i] = env.Signup(fmt.Sprintf("fan%d", i))
	}
	for _, c := range clients {
		for range 3 { // the same like three times at once
			wg.Go(func() {
				if _, err := c.LikePost(ctx, client.LikePostParams{ID: id}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	wantCounts(t, a, id, people, 0)
	res, err := clients[0].UnlikePost(ctx, client.UnlikePostParams{ID: id})
	if err != nil || res.Data.Liked || res.Data.LikeCount != people-1 {
		t.Errorf("unlike = %+v, %v", res, err)
	}
	res, err = clients[0].UnlikePost(ctx, client.UnlikePostParams{ID: id})
	if err != nil || res.Data.LikeCount != people-1 {
		t.Errorf("second unlike = %+v, %v", res, err)
	}
	likers, err := a.ListLikers(ctx, client.ListLikersParams{ID: id})
	if err != nil || handles(likers.Data) != "fan5 fan4 fan3 fan2 fan1 " {
		t.Errorf("likers = %+v, %v", likers, err)
	}
	res, err = a.LikePost(ctx, client.LikePostParams{ID: id}) // your own: no notification
	if err != nil || res.Data.LikeCount != people || !res.Data.Liked {
		t.Errorf("own like = %+v, %v", res, err)
	}
}

// Between a ban and its arrival at this server the token is still good. What its owner does then moves no counter: they have
// left the counts with the ban, and enter them again with what they had.
func TestJustBannedMovesNoCounter(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	_, b := env.Signup("ben")
	_, c := env.Signup("cleo")
	id := newPost(t, a, "plums")
	if _, err := b.LikePost(ctx, client.LikePostParams{ID: id}); err != nil {
		t.Fatal(err)
	}
	setBanned := func(at string) {
		if _, err := env.Pool.Exec(ctx, "update users set banned_at = "+at+" where handle in ('ben', 'cleo')"); err != nil {
			t.Fatal(err)
		}
	}
	setBanned("now()")
	_, err := c.LikePost(ctx, client.LikePostParams{ID: id})
	wantProblem(t, err, 404, "not_found")
	wantCounts(t, a, id, 0, 0)
	_, err = b.UnlikePost(ctx, client.UnlikePostParams{ID: id})
	wantProblem(t, err, 404, "not_found")
	setBanned("null")
	wantCounts(t, a, id, 1, 0)
}

// Counts agree with the lists behind them for every viewer: without hidden, banned and deleted people, nobody subtracted
// twice, and back when they come back.
func TestCountsAreExact(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	id := newPost(t, a, "plums")
	for _, h := range []string{"hidden", "banned", "both"} {
		s, c := env.Signup(h)
		for _, err := range []error{
			errOf(c.LikePost(ctx, client.LikePostParams{ID: id})), errOf(c.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID})),
			errOf(c.CreateComment(ctx, &client.CreateCommentRequest{Body: "hm"}, client.CreateCommentParams{ID: id})),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if h != "banned" {
			if _, err := b.BlockUser(ctx, client.BlockUserParams{ID: s.User.ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(c *client.Client, want int64) {
		t.Helper()
		wantCounts(t, c, id, want, want)
		likers, err := c.ListLikers(ctx, client.ListLikersParams{ID: id})
		comments, err2 := c.ListComments(ctx, client.ListCommentsParams{ID: id})
		followers, err3 := c.ListFollowers(ctx, client.ListFollowersParams{ID: ana.User.ID})
		if err != nil || err2 != nil || err3 != nil || len(likers.Data) != int(want) || len(comments.Data) != int(want) || len(followers.Data) != int(want) {
			t.Errorf("lists = %+v %+v %+v, want %d each; %v %v %v", likers, comments, followers, want, err, err2, err3)
		}
		p, err := c.GetUser(ctx, client.GetUserParams{ID: ana.User.ID})
		if err != nil || p.Data.FollowerCount != want {
			t.Errorf("profile = %+v, %v, want %d followers", p, err, want)
		}
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := env.Pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	check(a, 3)
	check(b, 1)
	exec("update users set banned_at = now() where handle in ('banned', 'both')")
	check(a, 1)
	check(b, 0)
	exec("update users set deleted_at = now() where handle = 'both'") // gone already: no second step
	exec("update users set banned_at = null where handle in ('banned', 'both')")
	check(a, 2)
	check(b, 1)
	exec("delete from post_stats") // a post of an older release has no counters
	if _, err := a.LikePost(ctx, client.LikePostParams{ID: id}); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, a, id, 1, 0)
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	_, c := env.Signup("cleo")
	id := newPost(t, a, "plums")
	react(t, b, ana.User.ID, id)
	react(t, c, ana.User.ID, id)
	list, err := a.ListNotifications(ctx, client.ListNotificationsParams{})
	if err != nil || len(list.Data) != 3 || !list.Meta.NextCursor.Null {
		t.Fatalf("notifications = %+v, %v", list, err)
	}
	for i, kind := range []client.NotificationKind{"follow", "comment", "like"} {
		n := list.Data[i]
		if n.Kind != kind || n.ActorCount != 2 || handles(n.Actors) != "cleo ben " || n.Seen || n.Post.Set != (kind != "follow") || n.Comment.Set != (kind == "comment") {
			t.Errorf("notification %d = %+v", i, n)
		}
	}
	wantUnread := func(want int64) {
		t.Helper()
		if n, err := a.GetUnreadCount(ctx); err != nil || n.Data.Count != want || n.Data.More {
			t.Errorf("unread = %+v, %v, want %d", n, err, want)
		}
	}
	wantUnread(6)
	seen, err := a.MarkSeen(ctx, &client.MarkSeenRequest{Notification: list.Data[1].ID})
	if err != nil || seen.Data.Count != 1 {
		t.Errorf("seen = %+v, %v", seen, err)
	}
	if _, err := a.MarkSeen(ctx, &client.MarkSeenRequest{Notification: list.Data[2].ID}); err != nil {
		t.Error(err)
	}
	wantUnread(1) // an older one takes nothing back
	_, err = b.MarkSeen(ctx, &client.MarkSeenRequest{Notification: list.Data[1].ID})
	wantProblem(t, err, 404, "not_found")
	if _, err := c.UnfollowUser(ctx, client.UnfollowUserParams{ID: ana.User.ID}); err != nil {
		t.Error(err)
	}
	if _, err := c.UnlikePost(ctx, client.UnlikePostParams{ID: id}); err != nil {
		t.Error(err)
	}
	list, err = a.ListNotifications(ctx, client.ListNotificationsParams{Limit: client.NewOptInt32(2)})
	if err != nil || len(list.Data) != 2 || list.Data[0].Kind != "comment" || handles(list.Data[1].Actors) != "ben " || list.Meta.NextCursor.Null {
		t.Errorf("after unlike and unfollow: %+v, %v", list, err)
	}
	if err := a.DeletePost(ctx, client.DeletePostParams{ID: id}); err != nil {
		t.Error(err)
	}
	list, err = a.ListNotifications(ctx, client.ListNotificationsParams{})
	if err != nil || len(list.Data) != 1 || list.Data[0].Kind != "follow" {
		t.Errorf("after the post is gone: %+v, %v", list, err)
	}
}

// react likes a post twice, comments on it and follows its author.
func react(t *testing.T, by *client.Client, author client.UserId, id client.PostId) {
	t.Helper()
	ctx := t.Context()
	for _, err := range []error{
		errOf(by.LikePost(ctx, client.LikePostParams{ID: id})), errOf(by.LikePost(ctx, client.LikePostParams{ID: id})),
		errOf(by.CreateComment(ctx, &client.CreateCommentRequest{Body: "yum"}, client.CreateCommentParams{ID: id})),
		errOf(by.FollowUser(ctx, client.FollowUserParams{ID: author})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
