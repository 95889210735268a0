package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// feedPage is the page that the scenarios read; the community writes enough posts to fill it.
const feedPage = 20

// community makes sure that the target holds the users of the plan's seed, that they follow each other and that their feeds
// fill a page, and returns them with fresh access tokens. It can run any number of times: who exists is logged in.
func (m *instance) community(env map[string]string) (map[string]any, error) {
	state := m.vu.State()
	if state == nil {
		return nil, errors.New("community() belongs in setup, not in the init context")
	}
	p, err := ParseParameters(env)
	if err != nil {
		return nil, err
	}
	users, err := NewTarget(p.BaseURL, state.Transport).Populate(m.vu.Context(), p)
	if err != nil {
		return nil, err
	}
	return map[string]any{"baseURL": p.BaseURL, "seed": p.Seed, "timeout": p.Timeout.String(), "users": users}, nil
}

// User is one account on the target; the scenario needs only its token.
type User = map[string]string

// Target is the API under load, as setup talks to it. Its requests are no k6 samples.
type Target struct {
	base string
	http *http.Client
}

// NewTarget returns the API at base, reached through transport. Redirects are not followed.
func NewTarget(base string, transport http.RoundTripper) *Target {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Target{base: base, http: &http.Client{Transport: transport, CheckRedirect: stay}}
}

// Populate brings the target to the state that community promises.
func (t *Target) Populate(ctx context.Context, p Parameters) ([]User, error) {
	users := make([]User, p.Users)
	for i := range users {
		u, err := t.enter(ctx, p.Seed, int64(i))
		if err != nil {
			return nil, err
		}
		users[i] = u
	}
	for i, u := range users {
		// The next ones in a ring: every feed has several authors and a thousand users stay cheap to connect.
		for k := 1; k <= min(len(users)-1, 7); k++ {
			other := users[(i+k)%len(users)]
			if _, err := t.call(ctx, http.MethodPut, "/api/v1/users/"+other["id"]+"/follow", u["token"], nil, nil); err != nil {
				return nil, err
			}
		}
	}
	return users, t.fillFeeds(ctx, p.Seed, users)
}

// enter signs up the i-th user, or logs in when the handle is taken.
func (t *Target) enter(ctx context.Context, seed, i int64) (User, error) {
	handle := Handle(seed, i)
	body := map[string]string{"handle": handle, "password": password(seed, i), "displayName": "Load " + handle}
	var session struct {
		Data struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
			AccessToken string `json:"accessToken"`
		} `json:"data"`
	}
	status, err := t.call(ctx, http.MethodPost, "/api/v1/auth/signup", "", body, &session)
	if status == http.StatusConflict {
		delete(body, "displayName")
		status, err = t.call(ctx, http.MethodPost, "/api/v1/auth/login", "", body, &session)
	}
	switch {
	case status == http.StatusUnauthorized:
		return nil, fmt.Errorf("user %s exists with another password; take another SEED", handle)
	case err != nil:
		return nil, err
	case session.Data.AccessToken == "" || session.Data.User.ID == "":
		return nil, fmt.Errorf("the answer to signup or login of %s has no user id or no access token", handle)
	}
	return User{"id": session.Data.User.ID, "handle": handle, "token": session.Data.AccessToken}, nil
}

// fillFeeds lets every user post until the first one's feed fills a page.
func (t *Target) fillFeeds(ctx context.Context, seed int64, users []User) error {
	var feed struct {
		Data []json.RawMessage `json:"data"`
	}
	path := fmt.Sprintf("/api/v1/feed?limit=%d", feedPage)
	if _, err := t.call(ctx, http.MethodGet, path, users[0]["token"], nil, &feed); err != nil {
		return err
	}
	if len(feed.Data) >= feedPage {
		return nil
	}
	authors := max(min(len(users), 8)-1, 1) // whom the first user follows
	for i, u := range users {
		for k := range (feedPage + authors - 1) / authors {
			body := map[string]string{"body": Text(seed, -int64(i*feedPage+k)-1)}
			if _, err := t.call(ctx, http.MethodPost, "/api/v1/posts", u["token"], body, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// call sends one request and decodes a 2xx answer into out. Any other status is an error that quotes the answer.
func (t *Target) call(ctx context.Context, method, path, token string, in, out any) (int, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, body)
	if err != nil {
		return 0, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := t.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return res.StatusCode, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, fmt.Errorf("%s %s answered %d: %.300s", method, path, res.StatusCode, b)
	}
	if out == nil {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return res.StatusCode, fmt.Errorf("%s %s: the answer is no JSON of the expected shape: %w", method, path, err)
	}
	return res.StatusCode, nil
}
