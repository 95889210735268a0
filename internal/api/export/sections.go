package export

import (
	"cmp"
	"context"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/publicid"
)

// cursor is a place in a section: behind the row with this key.
type cursor struct{ first, second int64 }

// section is one kind of lines.
type section struct {
	kind    string
	owner   string   // table.column by which its rows belong to somebody
	columns []string // of the table, that the lines tell; owner is one
	page    func(ctx context.Context, s *Service, account int64, at cursor) (lines []any, next cursor, err error)
}

// sections is what an export holds, in this order. Whoever adds a table that points at users adds a section, or a line to
// Excluded.
func sections() []section {
	type ids = *publicid.Codec
	return []section{
		{"account", "users.id", []string{"id", "handle", "display_name", "bio", "email", "email_verified_at", "role", "created_at"}, accountLine},
		list("post", "posts.author_id", []string{"id", "author_id", "body", "created_at", "edited_at", "deleted_at"},
			(*db.Queries).ExportPosts, func(c ids, r db.ExportPostsRow) (any, int64) {
				return Post{c.Encode(publicid.Post, r.ID), r.Body, stamp(r.CreatedAt), maybe(r.EditedAt), maybe(r.DeletedAt)}, r.ID
			}),
		{"comment", "comments.author_id", []string{"id", "post_id", "author_id", "body", "created_at", "deleted_at"}, commentLines},
		list("like", "likes.user_id", []string{"post_id", "user_id", "created_at"},
			(*db.Queries).ExportLikes, func(c ids, r db.ExportLikesRow) (any, int64) {
				return Like{c.Encode(publicid.Post, r.PostID), stamp(r.CreatedAt)}, r.PostID
			}),
		list("follow", "follows.follower_id", []string{"follower_id", "followee_id", "created_at"},
			(*db.Queries).ExportFollows, func(c ids, r db.ExportFollowsRow) (any, int64) {
				return Person{c.Encode(publicid.User, r.FolloweeID), r.Handle, stamp(r.CreatedAt)}, r.FolloweeID
			}),
		list("block", "blocks.blocker_id", []string{"blocker_id", "blocked_id", "created_at"},
			(*db.Queries).ExportBlocks, func(c ids, r db.ExportBlocksRow) (any, int64) {
				return Person{c.Encode(publicid.User, r.BlockedID), r.Handle, stamp(r.CreatedAt)}, r.BlockedID
			}),
		list("notification", "notifications.recipient_id",
			[]string{"id", "recipient_id", "kind", "post_id", "comment_id", "order_id", "order_status", "created_at"},
			(*db.Queries).ExportNotifications, func(c ids, r db.ExportNotificationsRow) (any, int64) { return notificationLine(c, r), r.ID }),
		list("session", "sessions.user_id",
			[]string{"id", "user_id", "user_agent", "created_at", "last_used_at", "expires_at", "revoked_at", "revoked_reason"},
			(*db.Queries).ExportSessions, func(c ids, r db.ExportSessionsRow) (any, int64) { return sessionLine(c, r), r.ID }),
		list("report", "reports.reporter_id", []string{"id", "reporter_id", "target_kind", "target_id", "reason", "note", "created_at"},
			(*db.Queries).ExportReports, func(c ids, r db.ExportReportsRow) (any, int64) {
				return Report{c.Encode(publicid.Report, r.ID), c.Encode(publicid.Kind(r.TargetKind), r.TargetID), r.Reason, r.Note,
					stamp(r.CreatedAt)}, r.ID
			}),
		{"picture", "media.owner_id", []string{"id", "owner_id", "purpose", "content_type", "bytes", "expired_at", "created_at"}, pictureLines},
		list("farm", "farm_members.user_id", []string{"farm_id", "user_id", "role", "created_at"},
			(*db.Queries).ExportFarms, func(c ids, r db.ExportFarmsRow) (any, int64) {
				return Farm{c.Encode(publicid.Farm, r.FarmID), r.Name, r.Role, stamp(r.CreatedAt)}, r.FarmID
			}),
		list("cartItem", "cart_items.user_id", []string{"user_id", "product_id", "quantity", "updated_at"},
			(*db.Queries).ExportCart, func(c ids, r db.ExportCartRow) (any, int64) {
				return CartItem{c.Encode(publicid.Product, r.ProductID), r.Name, r.Quantity, stamp(r.UpdatedAt)}, r.ProductID
			}),
		list("order", "orders.buyer_id", []string{"id", "buyer_id", "farm_id", "status", "currency", "total", "note", "created_at", "updated_at"},
			(*db.Queries).ExportOrders, func(c ids, r db.ExportOrdersRow) (any, int64) { return orderLine(c, r), r.ID }),
	}
}

// Excluded is what points at people, or stands in a table of an export, and is not in it, with the reason: columns, and whole
// tables.
func Excluded() map[string]string {
	const (
		secret   = "a secret that proves who somebody is"
		others   = "what others did; they export it themselves"
		inside   = "the state of the machinery, kept for minutes or days"
		staff    = "the work of moderators, not of whom it concerns"
		pictures = "told with the picture"
		ours     = "about products and farms, and public"
	)
	return map[string]string{
		"users.password_hash": secret, "sessions.hmac_key": secret,
		"users.banned_at": staff, "users.deleted_at": "an account that is deleted exports nothing", "users.purge_at": "as deleted_at",
		"users.purge_started_at": "as deleted_at", "users.export_until": inside, "sessions.counter": inside,
		"follows.followee_id": "who follows is counted and not listed: it is " + others, "notifications.actor_id": "told where one may see them",
		"blocks.blocked_id": "it would tell who blocks them", "hidden.viewer_id": "follows from blocks, in both directions",
		"hidden.other_id": "as viewer_id", "notification_state.user_id": "each notification says whether it was seen",
		"reports.subject_id": "it would tell them who reported them", "reports.resolved_by": staff, "reports.snapshot": "somebody else's text",
		"reports.resolved_at": staff, "reports.resolution": staff, "reports.resolution_reason": staff, "moderation_log": staff,
		"confirmations":      "requests that wait for a mailed code, kept for hours; what they change stands in account",
		"confirmation_codes": secret, "user_stats": "counted in account",
		"post_stats": "counts what others did", "app_events": inside, "revocations": inside, "replicas": inside, "cache_busts": inside,
		"river_job": inside, "river_leader": inside, "river_queue": inside, "river_notification": inside, "river_migration": inside,
		"ratelimit_policies": "settings of the service", "ratelimit_accounts": inside, "login_attempts": inside,
		"media.blob_id": pictures, "media_blobs": pictures, "post_media": pictures, "product_media": pictures, "avatars": pictures,
		"farms": ours, "products": ours, "order_lines": "told with the orders", "payments": "what an order costs and whether it was completed tell it",
		"orders.idempotency_key": inside, "orders.request_hash": inside, "idempotency_keys": inside,
		"order_events.actor_id": "an order tells where it stands; for a farm its steps are " + staff,
	}
}

// list makes a section of a query that pages by one number.
func list[R any, P ~struct {
	ID       int64
	AfterID  int64
	PageSize int32
}](kind, owner string, columns []string, query func(*db.Queries, context.Context, P) ([]R, error), line func(*publicid.Codec, R) (any, int64)) section {
	return section{kind, owner, columns, func(ctx context.Context, s *Service, account int64, at cursor) ([]any, cursor, error) {
		rows, err := query(s.store, ctx, P{ID: account, AfterID: at.first, PageSize: pageSize})
		out := make([]any, len(rows))
		for i, r := range rows {
			out[i], at.first = line(s.ids, r)
		}
		return out, at, err
	}}
}

func accountLine(ctx context.Context, s *Service, account int64, at cursor) ([]any, cursor, error) {
	u, err := s.store.ExportAccount(ctx, account)
	if err != nil {
		return nil, at, err
	}
	p, err := s.store.UserProfile(ctx, db.UserProfileParams{ViewerID: account, ID: account})
	return []any{Account{
		ID: s.ids.Encode(publicid.User, u.ID), Handle: u.Handle, DisplayName: u.DisplayName, Bio: u.Bio, Role: u.Role,
		Email: u.Email, EmailVerifiedAt: maybe(u.EmailVerifiedAt),
		CreatedAt: stamp(u.CreatedAt), PostCount: p.PostCount, FollowerCount: p.FollowerCount, FollowingCount: p.FollowingCount,
	}}, at, err
}

func commentLines(ctx context.Context, s *Service, account int64, at cursor) ([]any, cursor, error) {
	rows, err := s.store.ExportComments(ctx, db.ExportCommentsParams{ID: account, AfterPost: at.first, AfterID: at.second, PageSize: pageSize})
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = Comment{s.ids.Encode(publicid.Comment, r.ID), s.ids.Encode(publicid.Post, r.PostID), r.Body, stamp(r.CreatedAt), maybe(r.DeletedAt)}
		at = cursor{r.PostID, r.ID}
	}
	return out, at, err
}

func (s *Service) pictureLine(r db.ExportPicturesRow) Picture {
	p := Picture{
		ID: s.ids.Encode(publicid.Media, r.ID), Purpose: r.Purpose, ContentType: r.ContentType, Size: r.Bytes, State: r.State,
		Sizes: []PictureSize{}, CreatedAt: stamp(r.CreatedAt),
	}
	if r.State == string(media.Failed) {
		p.Failure = cmp.Or(r.Code, string(picture.OrphanStaging)) // without a code it never came
	}
	if r.PostID != 0 {
		p.Post = s.ids.Encode(publicid.Post, r.PostID)
	}
	if r.ProductID != 0 {
		p.Product = s.ids.Encode(publicid.Product, r.ProductID)
	}
	for _, made := range media.Pictures(r.Picture) {
		for _, size := range made.Sizes {
			p.Sizes = append(p.Sizes, PictureSize{s.pictureURL + "/" + made.Name(size), size.Width, size.Height})
		}
	}
	return p
}

func pictureLines(ctx context.Context, s *Service, account int64, at cursor) ([]any, cursor, error) {
	rows, err := s.store.ExportPictures(ctx, db.ExportPicturesParams{ID: account, AfterID: at.first, PageSize: pageSize})
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i], at.first = s.pictureLine(r), r.ID
	}
	return out, at, err
}

func notificationLine(c *publicid.Codec, r db.ExportNotificationsRow) Notification {
	n := Notification{
		ID: c.Encode(publicid.Note, r.ID), Kind: r.Kind, Handle: r.Handle, CreatedAt: stamp(r.CreatedAt), Seen: r.Seen,
	}
	if r.ActorID != 0 {
		n.Actor = c.Encode(publicid.User, r.ActorID)
	}
	if r.OrderID != nil && r.OrderStatus != nil {
		n.Order, n.Status = c.Encode(publicid.Order, *r.OrderID), *r.OrderStatus
	}
	if r.PostID != nil {
		n.Post = c.Encode(publicid.Post, *r.PostID)
	}
	if r.CommentID != nil {
		n.Comment = c.Encode(publicid.Comment, *r.CommentID)
	}
	return n
}

func orderLine(c *publicid.Codec, r db.ExportOrdersRow) Order {
	return Order{
		ID: c.Encode(publicid.Order, r.ID), Farm: c.Encode(publicid.Farm, r.FarmID), FarmName: r.Farm, Status: r.Status, Currency: r.Currency,
		Total: r.Total, Note: r.Note, Items: r.Items, CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt),
	}
}

func sessionLine(c *publicid.Codec, r db.ExportSessionsRow) Session {
	s := Session{
		ID: c.Encode(publicid.Session, r.ID), UserAgent: r.UserAgent, CreatedAt: stamp(r.CreatedAt), LastUsedAt: stamp(r.LastUsedAt),
		ExpiresAt: stamp(r.ExpiresAt), EndedAt: maybe(r.RevokedAt),
	}
	if r.RevokedReason != nil {
		s.EndedBy = *r.RevokedReason
	}
	return s
}
