package server_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// The server has pictures decoded by the program that runs, which is this test's. More tests at once than there are cores, where
// nobody says otherwise: many wait for a drain, a fence or a budget.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == child.Command {
		if err := child.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(pgtest.Main(m))
}

// tinyGIF is the smallest picture that there is.
const tinyGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// pictureURL finds where pictures are, in answers of two worlds that have to be the same.
var pictureURL = regexp.MustCompile(`/media/[a-z2-7]{26}-\d+\.webp`)

// picture makes a picture of somebody's that is ready, without working on it, and returns its id.
func (w *world) picture(who, purpose string) string {
	w.t.Helper()
	m := w.call(who, http.MethodPost, "/api/v1/media", `{"contentType":"image/gif","size":`+strconv.Itoa(len(tinyGIF))+`,"purpose":"`+purpose+`"}`)
	w.call(who, http.MethodPut, m["uploadUrl"].(string), tinyGIF)
	_, err := w.env.Pool.Exec(w.t.Context(), `update media_blobs set state = 'ready', sizes = '[{"w":1,"h":1,"bytes":40}]' where state = 'processing'`)
	if err != nil {
		w.t.Fatal(err)
	}
	return m["id"].(string)
}

// avatar gives somebody a picture.
func (w *world) avatar(who string) {
	w.t.Helper()
	w.label("media:"+who, w.picture(who, "avatar"))
	w.call(who, http.MethodPatch, "/api/v1/me", `{"avatar":"`+w.ids["media:"+who]+`"}`)
}

// postBody is a post of somebody's, with a picture when it is to have one.
func (w *world) postBody(who, label string, pictured bool) string {
	w.t.Helper()
	body := map[string]any{"body": "Post " + label}
	if pictured {
		body["media"] = []string{w.picture(who, "post")}
	}
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// mediaOf announces a picture of the owner's, for an operation on it.
func (m *matrix) mediaOf(op apitest.Operation) string {
	m.t.Helper()
	if op.ID == "uploadMedia" {
		a := m.call(string(owner), http.MethodPost, "/api/v1/media", `{"contentType":"image/gif","size":`+strconv.Itoa(len(tinyGIF))+`,"purpose":"post"}`)
		return a["id"].(string)
	}
	return m.picture(string(owner), "post")
}

// An upload may take longer than any other request, as long as it keeps coming; one that stalls is ended, and says why.
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, func(o *server.Options) { o.DrainDelay = 0 })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- env.Server.Run(ctx, l) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	_, c := env.Signup("ana")
	s, err := env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("both", func(t *testing.T) { // the server runs until they have ended
		slowUploads(t, l.Addr().String(), c, s.Data.AccessToken)
	})
}

func slowUploads(t *testing.T, addr string, c *client.Client, token string) {
	const size = 700 << 10
	for name, u := range map[string]struct {
		piece int           // bytes at a time
		every time.Duration // between two
		want  int
	}{
		"steady": {40 << 10, time.Second, http.StatusOK}, // 17.5 s: beyond the 15 s that other requests have
		"stalls": {size - 1, time.Hour, http.StatusBadRequest},
	} {
		m, err := c.CreateMedia(t.Context(), &client.CreateMediaRequest{ContentType: "image/gif", Size: size, Purpose: client.MediaPurposePost})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, feed := io.Pipe()
			go trickle(t.Context(), feed, append([]byte(tinyGIF), make([]byte, size-len(tinyGIF))...), u.piece, u.every)
			defer body.Close()
			req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPut, "http://"+addr+m.Data.UploadUrl, body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = size
			req.Header.Set("Content-Type", "application/octet-stream")
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			answer, _ := io.ReadAll(res.Body)
			if res.StatusCode != u.want || u.want != http.StatusOK && !strings.Contains(string(answer), `"code":"upload_too_slow"`) {
				t.Errorf("%d %s", res.StatusCode, answer)
			}
		})
	}
}

// trickle writes data in pieces, with a pause behind each.
func trickle(ctx context.Context, w *io.PipeWriter, data []byte, piece int, every time.Duration) {
	for len(data) > 0 {
		n := min(piece, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return
		}
		data = data[n:]
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return
		}
	}
	_ = w.Close()
}

// A form with a key is one picture however often it is sent, also with another boundary; a key with another form is refused, and
// every byte of it counts.
func TestFormWithAKey(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	post := func(key, boundary, body string) (code int, replayed, answer string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env.URL+"/api/v1/media", strings.NewReader(strings.ReplaceAll(body, "--x", "--"+boundary)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		req.Header.Set("Authorization", "Bearer "+ana.AccessToken)
		req.Header.Set("Idempotency-Key", key)
		res, answer := do(t, env, req)
		return res.StatusCode, res.Header.Get("Idempotent-Replayed"), answer
	}
	small := formSeeds()[0]
	for key, form := range map[string]string{"small": small, "large": strings.Replace(small, "GIF89a", "GIF89a"+strings.Repeat("x", 2<<20), 1)} {
		code, replayed, first := post(key, "x", form)
		if code != http.StatusCreated || replayed != "false" {
			t.Errorf("%s: %d, replayed %s: %s", key, code, replayed, first)
		}
		for _, boundary := range []string{"x", "y", "a-longer-one"} {
			if code, replayed, again := post(key, boundary, form); code != http.StatusCreated || replayed != "true" || again != first {
				t.Errorf("%s again, boundary %s: %d, replayed %s: %s", key, boundary, code, replayed, again)
			}
		}
		end := strings.LastIndex(form, "\r\n--x")
		for what, other := range map[string]string{
			"purpose": strings.Replace(form, "post", "avatar", 1), "file name": strings.Replace(form, `filename="`, `filename="b`, 1),
			"type": strings.Replace(form, "image/gif", "image/png", 1), "last byte": form[:end-1] + "z" + form[end:],
		} {
			if code, _, answer := post(key, "x", other); code != http.StatusUnprocessableEntity || !strings.Contains(answer, "idempotency_key_reused") {
				t.Errorf("%s, another %s: %d %s", key, what, code, answer)
			}
		}
	}
	broken := strings.Replace(small, "GIF89a", "GIF99a", 1)
	for range 2 { // a refusal leaves the key free, and nothing announced
		if code, _, answer := post("twice", "x", broken); code != http.StatusUnsupportedMediaType {
			t.Errorf("%d %s", code, answer)
		}
	}
	if n := rows(t, env, "media"); n != 2 {
		t.Errorf("%d pictures", n)
	}
}
