package server_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/media/child"
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
