// Package media is the pictures that people send: announced, sent, worked on, attached, shown, and removed when nothing
// needs them.
//
// Invariants: an upload is acknowledged when its bytes are durable in the store and its job is committed, and from then on
// no failure loses it: it becomes ready, or failed with a code its owner reads. Nothing that was sent is ever shown, only what
// was made of its pixels, by a process with limits (package child). A picture is its owner's: anybody else's answers like one that
// never was. The name of what is shown is a capability that nobody can guess; it appears only with what it is attached to.
// A blob is worked on by one claim at a time, and whoever lost the claim changes nothing.
package media

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-faster/jx"
	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// What a picture may be for.
const (
	ForPost    = "post"
	ForAvatar  = "avatar"
	ForProduct = "product"
)

// State is how far a picture is.
type State string

// The states.
const (
	Awaiting   State = "awaiting" // announced; its bytes have not come
	Processing State = "processing"
	Ready      State = "ready"
	Failed     State = "failed"
)

// Media is one picture of somebody's.
type Media struct {
	ID          int64
	Purpose     string
	ContentType string
	Bytes       int64
	State       State
	Picture     Picture      // when ready
	Code        picture.Code // when failed
	Detail      string
	CreatedAt   time.Time
}

// Picture is what can be shown: a key that nobody can guess, and the sizes that were made, largest first.
type Picture struct {
	ID    int64  `json:"id"`
	Key   string `json:"key"`
	Sizes []Size `json:"sizes"`
}

// Size is one of them. Its JSON is in the database.
type Size struct {
	Width  int   `json:"w"`
	Height int   `json:"h"`
	Bytes  int64 `json:"bytes"`
}

// Name returns the name of a size in the public area of the store: the key and the longer side, which no two sizes share.
func (p Picture) Name(s Size) string {
	return p.Key + "-" + strconv.Itoa(max(s.Width, s.Height)) + ".webp"
}

// keyOf returns the key that a name in the public area begins with.
func keyOf(name string) string { return name[:max(strings.LastIndexByte(name, '-'), 0)] }

// Pictures reads what the views post_pictures and avatar_pictures make: a list, or one; nothing is none. What PostgreSQL makes of
// its own jsonb can't be malformed. Each list has many, so they are read without
// reflection: with encoding/json they were an eighth of what a list of products costs.
func Pictures(data []byte) []Picture {
	if len(data) == 0 {
		return nil
	}
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(data)
	if d.Next() == jx.Object {
		var p Picture
		_ = p.decode(d)
		return []Picture{p}
	}
	var out []Picture
	_ = d.Arr(func(d *jx.Decoder) error {
		out = append(out, Picture{})
		return out[len(out)-1].decode(d)
	})
	return out
}

func (p *Picture) decode(d *jx.Decoder) error {
	return d.ObjBytes(func(d *jx.Decoder, key []byte) (err error) {
		switch string(key) {
		case "id":
			p.ID, err = d.Int64()
		case "key":
			p.Key, err = d.Str()
		case "sizes":
			err = d.Arr(func(d *jx.Decoder) error {
				p.Sizes = append(p.Sizes, Size{})
				return p.Sizes[len(p.Sizes)-1].decode(d)
			})
		default:
			err = d.Skip()
		}
		return err
	})
}

func (s *Size) decode(d *jx.Decoder) error {
	return d.ObjBytes(func(d *jx.Decoder, key []byte) (err error) {
		switch string(key) {
		case "w":
			s.Width, err = d.Int()
		case "h":
			s.Height, err = d.Int()
		case "bytes":
			s.Bytes, err = d.Int64()
		default:
			err = d.Skip()
		}
		return err
	})
}

// NotUsable says which of some pictures can't be attached: those that are not among the usable ones, and repetitions. Somebody
// else's picture and one that never was are the same answer.
func NotUsable(field string, pictures, usable []int64) error {
	e := fault.New(fault.Invalid, "a picture can't be attached").WithCode("media_not_usable")
	for i, id := range pictures {
		if !slices.Contains(usable, id) || slices.Contains(pictures[:i], id) {
			e = e.WithFields(fault.Field{Field: fmt.Sprintf("%s[%d]", field, i), Code: "media_not_usable",
				Message: "it is no picture of yours that was sent for this, or it is attached already"})
		}
	}
	return e
}

// sides are the longer sides of what is made.
func sides() []int { return []int{1600, 800, 200} }

// Limits is what people may send.
type Limits struct {
	Bytes        int64 // of one picture
	AccountFiles int64
	AccountBytes int64
}

// Decoder makes pictures of an upload. child.Runner is one.
type Decoder interface {
	Convert(ctx context.Context, in *os.File, declared string, sides []int) (*child.Output, error)
}

// DB is a pool or a connection.
type DB interface {
	db.DBTX
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Options is what a Service is made of.
type Options struct {
	DB      DB
	Jobs    *jobs.Queue
	Store   store.Store
	Decoder Decoder // nil: this process works on nothing
	Dir     string  // for uploads on their way; they have no name there
	Limits  Limits
	Log     *slog.Logger
	Timing  Timing
}

// Timing is how long things may take. The zero value of each means its default.
type Timing struct {
	Lease      time.Duration // how long a claim holds when nothing is heard
	FirstRetry time.Duration // after a process that died
	GiveUp     time.Duration // how long the store may fail one upload
	Unused     time.Duration // how long a picture stays that is attached to nothing
	KeepFailed time.Duration // how long a failure can be read, and its upload be tried again
}

func (t Timing) withDefaults() Timing {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	or(&t.Lease, 90*time.Second)
	or(&t.FirstRetry, 5*time.Second)
	or(&t.GiveUp, 24*time.Hour)
	or(&t.Unused, 24*time.Hour)
	or(&t.KeepFailed, 7*24*time.Hour)
	return t
}

// Service is the rules of pictures.
type Service struct {
	o       Options
	queries *db.Queries
	Metrics *Metrics
}

// New returns a Service, and adds the handlers of its jobs to the queue. Dir is made when it is not there.
func New(o Options) (*Service, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Config, "the folder for uploads on their way can't be made").WithHint("set media.dir to a folder you can write to")
	}
	o.Timing = o.Timing.withDefaults()
	q := db.New(o.DB)
	s := &Service{o: o, queries: q, Metrics: newMetrics(q)}
	s.register()
	return s, nil
}

// newKey returns 130 random bits as the store's names are written.
func newKey() string { return strings.ToLower(rand.Text()) }

const databaseTime = 5 * time.Second // for what has to be said even when the request has ended

// settled returns a context for what must not be left half done because a client or the server leaves.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), databaseTime)
}

// Announce makes a picture whose bytes are to come.
func (s *Service) Announce(ctx context.Context, owner int64, purpose, contentType string, size int64) (Media, error) {
	contentType, err := s.checkAnnounced(contentType, size)
	if err != nil {
		return Media{}, err
	}
	m := Media{Purpose: purpose, ContentType: contentType, Bytes: size, State: Awaiting}
	err = pg.InTx(ctx, s.o.DB, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.LockMediaOwner(ctx, owner); err != nil {
			return err
		}
		r, err := q.CreateMedia(ctx, db.CreateMediaParams{
			OwnerID: owner, Purpose: purpose, ContentType: contentType, Bytes: size, MaxFiles: s.o.Limits.AccountFiles, MaxBytes: s.o.Limits.AccountBytes,
		})
		m.ID, m.CreatedAt = r.ID, r.CreatedAt
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return m, s.noRoom(ctx, owner)
	}
	return m, fault.Op("announce a picture", err)
}

func (s *Service) checkAnnounced(contentType string, size int64) (string, error) {
	if size < 1 { // of a form: the spec keeps others from saying so
		return "", fault.New(fault.Invalid, "an empty file is no picture").WithCode("size_mismatch")
	}
	for _, f := range picture.Formats() {
		if !strings.EqualFold(contentType, string(f)) {
			continue
		}
		if size > s.o.Limits.Bytes {
			return "", s.TooLarge()
		}
		return string(f), nil
	}
	return "", s.refuse(fault.Unsupported, picture.UnsupportedType, "JPEG, PNG, WebP and GIF are read, and no other type")
}

// TooLarge is the refusal of more bytes than any picture may have, counted.
func (s *Service) TooLarge() error {
	return s.refuse(fault.TooLarge, picture.TooLarge, "a picture has %d bytes at the most", s.o.Limits.Bytes)
}

// refuse counts a picture that is turned away at the door.
func (s *Service) refuse(k fault.Kind, c picture.Code, format string, args ...any) error {
	s.Metrics.results.WithLabelValues(string(c)).Inc()
	return fault.New(k, format, args...).WithCode(string(c))
}

// noRoom tells an account that has used up its quota from one that is gone.
func (s *Service) noRoom(ctx context.Context, owner int64) error {
	there, err := s.queries.UserExists(ctx, db.UserExistsParams{ViewerID: owner, ID: owner})
	if err != nil {
		return fault.Op("announce a picture", err)
	}
	if !there {
		return fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
	}
	return fault.New(fault.Conflict, "an account has %d pictures of %d bytes together at the most; delete some", s.o.Limits.AccountFiles, s.o.Limits.AccountBytes).
		WithCode("media_quota")
}

// Get returns one of the owner's pictures.
func (s *Service) Get(ctx context.Context, owner, id int64) (Media, error) {
	r, err := s.queries.GetMedia(ctx, db.GetMediaParams{ID: id, OwnerID: owner})
	if errors.Is(err, pgx.ErrNoRows) {
		return Media{}, noSuchPicture()
	}
	if err != nil {
		return Media{}, fault.Op("read a picture", err)
	}
	return mediaOf(r)
}

func noSuchPicture() error { return fault.New(fault.NotFound, "there is no such picture") }

func mediaOf(r db.GetMediaRow) (Media, error) {
	m := Media{ID: r.ID, Purpose: r.Purpose, ContentType: r.ContentType, Bytes: r.Bytes, State: Awaiting, CreatedAt: r.CreatedAt}
	switch {
	case r.Expired:
		m.State, m.Code, m.Detail = Failed, picture.OrphanStaging, "its bytes did not come within a day; announce it again"
	case r.BlobID != nil:
		m.State = State(*r.State)
	}
	switch {
	case m.State == Failed && r.BlobID != nil:
		m.Code, m.Detail = picture.Code(*r.Code), *r.Detail
	case m.State == Ready:
		m.Picture = Picture{ID: m.ID, Key: *r.Key}
		return m, fault.Op("read a picture", json.Unmarshal(r.Sizes, &m.Picture.Sizes))
	}
	return m, nil
}

// Delete removes one of the owner's pictures, from what it is attached to as well. Its objects go in a moment.
func (s *Service) Delete(ctx context.Context, owner, id int64) error {
	err := pg.InTx(ctx, s.o.DB, func(tx pgx.Tx) error {
		blob, err := db.New(tx).DeleteMedia(ctx, db.DeleteMediaParams{ID: id, OwnerID: owner})
		if err != nil || blob == nil {
			return err
		}
		return s.o.Jobs.Insert(ctx, tx, dropArgs{*blob})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return noSuchPicture()
	}
	return fault.Op("delete a picture", err)
}
