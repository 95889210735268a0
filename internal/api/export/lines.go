package export

import (
	"encoding/json"
	"time"
)

// stamp is a time as the API writes it.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (s stamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(s).UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
}

func maybe(t *time.Time) *stamp {
	if t == nil {
		return nil
	}
	s := stamp(*t)
	return &s
}

// Header is the first line.
type Header struct {
	Format    string `json:"format"`
	Version   int    `json:"version"`
	StartedAt stamp  `json:"startedAt"`
}

// Account is who asks.
type Account struct {
	ID              string  `json:"id"`
	Handle          string  `json:"handle"`
	DisplayName     string  `json:"displayName"`
	Bio             string  `json:"bio"`
	Email           *string `json:"email,omitempty"`
	EmailVerifiedAt *stamp  `json:"emailVerifiedAt,omitempty"`
	Role            string  `json:"role"`
	CreatedAt       stamp   `json:"createdAt"`
	PostCount       int64   `json:"postCount"`
	FollowerCount   int64   `json:"followerCount"`
	FollowingCount  int64   `json:"followingCount"`
}

// Post is something they wrote, deleted ones too for as long as they are kept.
type Post struct {
	ID        string `json:"id"`
	Body      string `json:"body"`
	CreatedAt stamp  `json:"createdAt"`
	EditedAt  *stamp `json:"editedAt,omitempty"`
	DeletedAt *stamp `json:"deletedAt,omitempty"`
}

// Comment is something they wrote below a post.
type Comment struct {
	ID        string `json:"id"`
	Post      string `json:"post"`
	Body      string `json:"body"`
	CreatedAt stamp  `json:"createdAt"`
	DeletedAt *stamp `json:"deletedAt,omitempty"`
}

// Like is a post they like.
type Like struct {
	Post      string `json:"post"`
	CreatedAt stamp  `json:"createdAt"`
}

// Person is somebody they follow or block. One who is gone has no handle.
type Person struct {
	User      string `json:"user"`
	Handle    string `json:"handle,omitempty"`
	CreatedAt stamp  `json:"createdAt"`
}

// Notification is what somebody else did that concerned them.
type Notification struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Actor     string `json:"actor,omitempty"`
	Handle    string `json:"handle,omitempty"`
	Post      string `json:"post,omitempty"`
	Comment   string `json:"comment,omitempty"`
	Order     string `json:"order,omitempty"`
	Status    string `json:"status,omitempty"` // that the order reached
	CreatedAt stamp  `json:"createdAt"`
	Seen      bool   `json:"seen"`
}

// Session is where they are, or were, logged in.
type Session struct {
	ID         string `json:"id"`
	UserAgent  string `json:"userAgent"`
	CreatedAt  stamp  `json:"createdAt"`
	LastUsedAt stamp  `json:"lastUsedAt"`
	ExpiresAt  stamp  `json:"expiresAt"`
	EndedAt    *stamp `json:"endedAt,omitempty"`
	EndedBy    string `json:"endedBy,omitempty"`
}

// Report is something they told the moderators.
type Report struct {
	ID        string `json:"id"`
	Target    string `json:"target"`
	Reason    string `json:"reason"`
	Text      string `json:"text"`
	CreatedAt stamp  `json:"createdAt"`
}

// Picture is one they sent, with where what was made of it is shown. The upload itself is not kept.
type Picture struct {
	ID          string        `json:"id"`
	Purpose     string        `json:"purpose"`
	ContentType string        `json:"contentType"`
	Size        int64         `json:"size"` // bytes that were sent
	State       string        `json:"state"`
	Failure     string        `json:"failure,omitempty"`
	Post        string        `json:"post,omitempty"` // that it is attached to
	Product     string        `json:"product,omitempty"`
	Sizes       []PictureSize `json:"sizes"`
	CreatedAt   stamp         `json:"createdAt"`
}

// PictureSize is one of the sizes that were made.
type PictureSize struct {
	URL    string `json:"url"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Farm is one they act for.
type Farm struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Role      string `json:"role"`
	CreatedAt stamp  `json:"createdAt"`
}

// CartItem is what they mean to buy.
type CartItem struct {
	Product   string `json:"product"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UpdatedAt stamp  `json:"updatedAt"`
}

// Order is what they bought, with each product as it was then.
type Order struct {
	ID        string          `json:"id"`
	Farm      string          `json:"farm"`
	FarmName  string          `json:"farmName"`
	Status    string          `json:"status"`
	Currency  string          `json:"currency"`
	Total     int64           `json:"total"` // smallest unit of the currency
	Note      string          `json:"note"`
	Items     json.RawMessage `json:"items"` // name, unit, price and quantity of each
	CreatedAt stamp           `json:"createdAt"`
	UpdatedAt stamp           `json:"updatedAt"`
}

// End is the last line.
type End struct {
	Lines int `json:"lines"` // before this one
}
