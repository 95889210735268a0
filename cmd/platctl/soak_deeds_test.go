package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/platctl/platctl/internal/api/openapi/client"
)

// deed is something that people do.
type deed struct {
	name   string
	weight int
	run    func(ctx context.Context, p *person) error
}

// everything is what people do, and how often of a hundred times.
func (c *crowd) everything() []deed {
	return append(c.talking(), c.trading()...)
}

func (c *crowd) talking() []deed {
	return []deed{
		{"feed", 18, func(ctx context.Context, p *person) error { return errOf(p.ListFeed(ctx, client.ListFeedParams{})) }},
		{"post", 6, c.post},
		{"comment", 5, func(ctx context.Context, p *person) error {
			return errOf(p.CreateComment(ctx, &client.CreateCommentRequest{Body: "how much?"}, client.CreateCommentParams{ID: c.aPost()}))
		}},
		{"comments", 5, func(ctx context.Context, p *person) error {
			return errOf(p.ListComments(ctx, client.ListCommentsParams{ID: c.aPost()}))
		}},
		{"like", 8, func(ctx context.Context, p *person) error {
			return errOf(p.LikePost(ctx, client.LikePostParams{ID: c.aPost()}))
		}},
		{"unlike", 3, func(ctx context.Context, p *person) error {
			return errOf(p.UnlikePost(ctx, client.UnlikePostParams{ID: c.aPost()}))
		}},
		{"delete a post", 1, c.regret},
		{"profile", 6, func(ctx context.Context, p *person) error {
			return errOf(p.GetUser(ctx, client.GetUserParams{ID: c.other(p).id}))
		}},
		{"rename", 1, func(ctx context.Context, p *person) error {
			return errOf(p.UpdateMe(ctx, &client.UpdateMeRequest{Bio: client.NewOptString(fmt.Sprint("number ", rand.N(1000)))}))
		}},
		{"search", 2, func(ctx context.Context, p *person) error {
			return errOf(p.SearchPeople(ctx, client.SearchPeopleParams{Q: "soak"}))
		}},
		{"follow", 4, func(ctx context.Context, p *person) error {
			return errOf(p.FollowUser(ctx, client.FollowUserParams{ID: c.other(p).id}))
		}},
		{"unfollow", 1, func(ctx context.Context, p *person) error {
			return errOf(p.UnfollowUser(ctx, client.UnfollowUserParams{ID: c.other(p).id}))
		}},
		{"block and unblock", 1, c.quarrel},
		{"notifications", 5, c.catchUp},
		{"log in and out", 1, c.visit},
		{"refresh", 2, refresh},
		{"picture", 1, c.show},
		{"sessions", 1, func(ctx context.Context, p *person) error {
			return errOf(p.ListSessions(ctx, client.ListSessionsParams{}))
		}},
	}
}

func (c *crowd) trading() []deed {
	return []deed{
		{"catalogue", 12, func(ctx context.Context, p *person) error {
			return errOf(p.ListProducts(ctx, client.ListProductsParams{InStock: client.NewOptBool(rand.N(2) == 0)}))
		}},
		{"find a product", 3, func(ctx context.Context, p *person) error {
			return errOf(p.ListProducts(ctx, client.ListProductsParams{Q: client.NewOptString("plum")}))
		}},
		{"product", 5, func(ctx context.Context, p *person) error {
			return errOf(p.GetProduct(ctx, client.GetProductParams{ID: c.aProduct()}))
		}},
		{"fill the cart", 3, func(ctx context.Context, p *person) error {
			return errOf(p.SetCartItem(ctx, &client.SetCartItemRequest{Quantity: 1}, client.SetCartItemParams{ID: c.aProduct()}))
		}},
		{"order", 3, c.order},
		{"own orders", 1, func(ctx context.Context, p *person) error { return errOf(p.ListOrders(ctx, client.ListOrdersParams{})) }},
		{"cancel", 1, func(ctx context.Context, p *person) error {
			return errOf(p.CancelOrder(ctx, client.OptCancelOrderRequest{}, client.CancelOrderParams{ID: c.anOrder()}))
		}},
		{"serve an order", 1, c.serve},
		{"restock", 1, func(ctx context.Context, _ *person) error {
			return errOf(c.people[0].AdjustStock(ctx, &client.AdjustStockRequest{Change: 10}, client.AdjustStockParams{ID: c.aProduct()}))
		}},
	}
}

func errOf[T any](_ T, err error) error { return err }

func (c *crowd) other(p *person) *person {
	for {
		if o := c.people[rand.N(len(c.people))]; o != p {
			return o
		}
	}
}

func (c *crowd) aProduct() client.ProductId { return c.goods[rand.N(len(c.goods))] }

// recent returns one of the last things that were made.
func recent[T any](c *crowd, all *[]T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(*all)
	return (*all)[n-1-rand.N(min(n, 200))]
}

func made[T any](c *crowd, all *[]T, one T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*all = append(*all, one)
}

func (c *crowd) aPost() client.PostId    { return recent(c, &c.posts) }
func (c *crowd) anOrder() client.OrderId { return recent(c, &c.orders) }

func (c *crowd) post(ctx context.Context, p *person) error {
	res, err := p.CreatePost(ctx, &client.CreatePostRequest{Body: "The plums are in."})
	if err == nil {
		made(c, &c.posts, res.Data.ID)
	}
	return err
}

func (c *crowd) regret(ctx context.Context, p *person) error {
	res, err := p.CreatePost(ctx, &client.CreatePostRequest{Body: "They are not."})
	if err != nil {
		return err
	}
	return p.DeletePost(ctx, client.DeletePostParams{ID: res.Data.ID})
}

func (c *crowd) quarrel(ctx context.Context, p *person) error {
	o := c.other(p).id
	if _, err := p.BlockUser(ctx, client.BlockUserParams{ID: o}); err != nil {
		return err
	}
	return errOf(p.UnblockUser(ctx, client.UnblockUserParams{ID: o}))
}

func (c *crowd) catchUp(ctx context.Context, p *person) error {
	if _, err := p.GetUnreadCount(ctx); err != nil {
		return err
	}
	res, err := p.ListNotifications(ctx, client.ListNotificationsParams{})
	if err != nil || len(res.Data) == 0 {
		return err
	}
	return errOf(p.MarkSeen(ctx, &client.MarkSeenRequest{Notification: res.Data[0].ID}))
}

// show posts a picture that nobody has sent before: one or another child process works on it.
func (c *crowd) show(ctx context.Context, p *person) error {
	data := []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
	for i := range 6 { // its two colours
		data[13+i] = byte(rand.N(256))
	}
	m, err := p.CreateMedia(ctx, &client.CreateMediaRequest{ContentType: "image/gif", Size: int64(len(data)), Purpose: client.MediaPurposePost})
	if err != nil {
		return err
	}
	_, err = p.UploadMedia(ctx, &client.UploadMediaReqApplicationOctetStream{Data: bytes.NewReader(data)}, client.UploadMediaParams{ID: m.Data.ID})
	if err != nil {
		return err
	}
	res, err := p.CreatePost(ctx, &client.CreatePostRequest{Body: "Look.", Media: []client.MediaId{m.Data.ID}})
	if err == nil {
		made(c, &c.posts, res.Data.ID)
	}
	return err
}

// visit is a second session of somebody, which ends.
func (c *crowd) visit(ctx context.Context, p *person) error {
	res, err := p.Login(ctx, &client.LoginRequest{Handle: p.handle, Password: "correct horse"})
	if err != nil {
		return err
	}
	return errOf(clientOf(c.t, p.url, bearerToken(res.Data.AccessToken), c.web()).Logout(ctx))
}

func refresh(ctx context.Context, p *person) error {
	res, err := p.RefreshSession(ctx, &client.RefreshRequest{RefreshToken: p.tokens().RefreshToken})
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.session = res.Data
	}
	return err
}

func (c *crowd) order(ctx context.Context, p *person) error {
	res, err := p.PlaceOrder(ctx, &client.PlaceOrderRequest{
		Farm: c.farm, Items: []client.PlaceOrderItem{{Product: c.aProduct(), Quantity: 1 + rand.N(int64(3))}},
	}, client.PlaceOrderParams{IdempotencyKey: fmt.Sprint(rand.Uint64())})
	if err == nil {
		made(c, &c.orders, res.Response.Data.ID)
	}
	return err
}

// serve takes an order from the buyer's click to the counter.
func (c *crowd) serve(ctx context.Context, _ *person) error {
	seller, id := c.people[0], c.anOrder()
	if _, err := seller.ConfirmOrder(ctx, client.ConfirmOrderParams{ID: id}); err != nil {
		return err
	}
	if _, err := seller.ReadyOrder(ctx, client.ReadyOrderParams{ID: id}); err != nil {
		return err
	}
	return errOf(seller.CompleteOrder(ctx, client.CompleteOrderParams{ID: id}))
}
