package timeline

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

type profileStore interface {
	UserProfile(ctx context.Context, arg db.UserProfileParams) (db.UserProfileRow, error)
	UserExists(ctx context.Context, arg db.UserExistsParams) (bool, error)
	UpdateProfile(ctx context.Context, arg db.UpdateProfileParams) (bool, error)
	SearchPeople(ctx context.Context, arg db.SearchPeopleParams) ([]db.SearchPeopleRow, error)
}

// Profile is a person with what the profile page shows a viewer.
type Profile struct {
	account.Person
	Bio       string
	CreatedAt time.Time
	Posts     int64
	Followers int64
	Following int64
	Followed  bool           // by the viewer
	Avatar    *media.Picture // nil: none that is ready
}

// PersonTag stands for what a profile shows to somebody without an account, as the triggers of the schema bust it.
func PersonTag(id int64) string { return "user:" + strconv.FormatInt(id, 10) }

// maxBio is the longest biography in characters, as the schema has it.
const maxBio = 500

// Profile returns what viewer may see of the person id.
func (s *Service) Profile(ctx context.Context, viewer, id int64) (Profile, error) {
	u, err := s.store.UserProfile(ctx, db.UserProfileParams{ViewerID: viewer, ID: id})
	if err != nil {
		return Profile{}, outcome("read profile", err, aPerson)
	}
	p := Profile{
		Person: account.Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName}, Bio: u.Bio, CreatedAt: u.CreatedAt,
		Posts: u.PostCount, Followers: u.FollowerCount, Following: u.FollowingCount, Followed: u.Followed,
	}
	if pictures := media.Pictures(u.Avatar); len(pictures) == 1 {
		p.Avatar = &pictures[0]
	}
	return p, nil
}

// Me returns the viewer's own profile. A token outlives its account, so a missing one is unauthenticated.
func (s *Service) Me(ctx context.Context, viewer int64) (Profile, error) {
	p, err := s.Profile(ctx, viewer, viewer)
	if errors.Is(err, fault.NotFound) {
		return Profile{}, accountGone()
	}
	return p, err
}

// ProfileChange is what changes on a profile; nil leaves a field alone.
type ProfileChange struct {
	DisplayName *string
	Bio         *string
	Avatar      *int64 // 0 removes it
}

// UpdateMe changes the viewer's profile and returns it.
func (s *Service) UpdateMe(ctx context.Context, viewer int64, c ProfileChange) (Profile, error) {
	if c.DisplayName != nil {
		name, err := account.CleanName(*c.DisplayName)
		if err != nil {
			return Profile{}, err
		}
		c.DisplayName = &name
	}
	if c.Bio != nil {
		bio, err := text{field: "bio", max: maxBio, empty: true}.clean(*c.Bio)
		if err != nil {
			return Profile{}, err
		}
		c.Bio = &bio
	}
	arg := db.UpdateProfileParams{ViewerID: viewer, DisplayName: c.DisplayName, Bio: c.Bio, TraceID: telemetry.TraceID(ctx)}
	if c.Avatar != nil {
		arg.SetAvatar, arg.AvatarID = true, *c.Avatar
	}
	ok, err := s.store.UpdateProfile(ctx, arg)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Profile{}, accountGone()
	case err == nil && !ok, c.Avatar != nil && pg.Is(err, pg.ForeignKeyViolation):
		return Profile{}, fault.New(fault.Invalid, "the picture can't be an avatar").WithCode("media_not_usable").WithFields(fault.Field{
			Field: "body.avatar", Code: "media_not_usable", Message: "it is no picture of yours that was sent for this",
		})
	case err != nil:
		return Profile{}, fault.Op("update profile", err)
	}
	return s.Me(ctx, viewer)
}

// Search returns the people whose handle or name begins like q: the one with exactly that handle first, then by account,
// newest first.
func (s *Service) Search(ctx context.Context, viewer int64, q string, at Slice) (Page[account.Person], error) {
	t := termsOf(q)
	rows, err := s.store.SearchPeople(ctx, db.SearchPeopleParams{
		ViewerID: viewer, Lo: t.handle, Hi: t.beyond, Exact: t.handle, Words: t.words,
		FirstPage: at.Cursor == Start, BeforeID: at.Cursor, PageSize: at.Fetch(),
	})
	if err != nil {
		return Page[account.Person]{}, fault.Op("search people", err)
	}
	page := peoplePage(rows, at)
	if page.Next != 0 && strings.EqualFold(page.Items[len(page.Items)-1].Handle, t.handle) {
		page.Next = Start - 1 // the page held the exact match only, which stands before all accounts
	}
	return page, nil
}

// terms is a search in the words of the query. Handles between handle and beyond, in byte order, begin with handle.
type terms struct{ handle, beyond, words string }

func termsOf(q string) terms {
	var t terms
	q = strings.TrimSpace(norm.NFC.String(q))
	other := func(r rune) bool {
		return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}
	if q != "" && !strings.ContainsFunc(q, other) {
		t.handle = strings.ToLower(q)
		t.beyond = t.handle + "~" // above every character of a handle
	}
	t.words = Words(q)
	return t
}

// Words makes a text search of what a person typed: all of its words, each as a beginning. Empty where there is none.
func Words(q string) string {
	q = norm.NFC.String(q)
	words := strings.FieldsFunc(q, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	for i, w := range words {
		words[i] = w + ":*"
	}
	return strings.Join(words, " & ")
}

// personExists says whether viewer may see the person id.
func (s *Service) personExists(ctx context.Context, viewer, id int64) func() (bool, error) {
	return func() (bool, error) { return s.store.UserExists(ctx, db.UserExistsParams{ViewerID: viewer, ID: id}) }
}
