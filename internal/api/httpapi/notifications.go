package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
)

// notificationsAPI is the operations of the tag "notifications".
type notificationsAPI struct {
	service *timeline.Service
	ids     *publicid.Codec
}

// ListNotifications implements operation listNotifications.
func (a notificationsAPI) ListNotifications(ctx context.Context, params oas.ListNotificationsParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Notifications(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	res := oas.NotificationListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.Notification, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, n := range page.Items {
		res.Data[i] = a.notification(n)
	}
	return writeJSON(w, &res)
}

func (a notificationsAPI) notification(n timeline.Notification) oas.Notification {
	out := oas.Notification{
		ID: oas.NotificationId(a.ids.Encode(publicid.Note, n.ID)), Kind: oas.NotificationKind(n.Kind),
		Actors: persons(a.ids, n.Actors), ActorCount: n.People, Seen: n.Seen, CreatedAt: n.CreatedAt.UTC(),
	}
	if n.Post != 0 {
		out.Post.SetTo(oas.PostId(a.ids.Encode(publicid.Post, n.Post)))
	}
	if n.Comment != 0 {
		out.Comment.SetTo(oas.CommentId(a.ids.Encode(publicid.Comment, n.Comment)))
	}
	if n.Order != 0 {
		out.Order.SetTo(oas.OrderId(a.ids.Encode(publicid.Order, n.Order)))
		out.OrderStatus.SetTo(oas.OrderStatus(n.OrderStatus))
	}
	return out
}

// GetUnreadCount implements operation getUnreadCount.
func (a notificationsAPI) GetUnreadCount(ctx context.Context) (*oas.UnreadResponse, error) {
	n, more, err := a.service.Unread(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	return &oas.UnreadResponse{Success: oas.SuccessTrue, Data: oas.Unread{Count: n, More: more}}, nil
}

// MarkSeen implements operation markSeen.
func (a notificationsAPI) MarkSeen(ctx context.Context, req *oas.MarkSeenRequest) (*oas.UnreadResponse, error) {
	if err := a.service.MarkSeen(ctx, viewer(ctx), known(a.ids, publicid.Note, string(req.Notification))); err != nil {
		return nil, err
	}
	return a.GetUnreadCount(ctx)
}
