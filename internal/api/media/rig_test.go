package media_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	ht "github.com/ogen-go/ogen/http"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// patience is how long a test waits for what must happen. A child is a process, and the machine may be busy.
const patience = 2 * time.Minute

// The program is the child that decodes, and the server that is killed, as well as the test. More tests at once than there are cores,
// where nobody says otherwise: they wait for jobs and for leases.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == child.Command:
		err = child.Serve(os.Stdin, os.Stdout)
	case len(os.Args) == 2 && os.Args[1] == mortalCommand:
		err = serveMortal()
	default:
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
		os.Exit(pgtest.Main(m))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// rig is a server that works on pictures.
type rig struct {
	*apitest.Env
	t    testing.TB
	opts server.Options
}

func newRig(t testing.TB, opts ...apitest.Option) *rig {
	t.Helper()
	return newRigOn(t, pgtest.New(t, apitest.Template(t)), opts...)
}

// newRigOn starts the server on a database that is there.
func newRigOn(t testing.TB, url string, opts ...apitest.Option) *rig {
	t.Helper()
	r := &rig{t: t}
	workers, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 6, StatementTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(workers.Close)
	work := func(o *server.Options) {
		o.JobsPool, o.DrainDelay = workers, 0
		o.Media.Timing = media.Timing{FirstRetry: 20 * time.Millisecond}
	}
	r.Env = apitest.On(t, url, append(append([]apitest.Option{work}, opts...), func(o *server.Options) { r.opts = *o })...)
	return r
}

// desk is the pictures as an operator's command has them: on the same database and store, without workers.
func (r *rig) desk(timing media.Timing) *media.Service {
	r.t.Helper()
	q, err := jobs.New(jobs.Options{Log: r.opts.Log, Role: nobody{}})
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := media.New(media.Options{DB: r.Pool, Jobs: q, Store: r.opts.Media.Store, Dir: r.opts.Media.WorkDir, Log: r.opts.Log, Timing: timing})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

type nobody struct{}

func (nobody) Watch() (bool, <-chan struct{}) { return false, nil }

// announce announces a picture and returns its id.
func announce(t testing.TB, c *client.Client, purpose client.MediaPurpose, contentType string, size int) client.MediaId {
	t.Helper()
	m, err := c.CreateMedia(t.Context(), &client.CreateMediaRequest{ContentType: contentType, Size: int64(size), Purpose: purpose})
	if err != nil {
		t.Fatal(err)
	}
	if m.Data.State != client.MediaStateAwaiting {
		t.Fatalf("announced: %+v", m)
	}
	return m.Data.ID
}

func send(ctx context.Context, c *client.Client, id client.MediaId, data []byte) (client.Media, error) {
	m, err := c.UploadMedia(ctx, &client.UploadMediaReqApplicationOctetStream{Data: bytes.NewReader(data)}, client.UploadMediaParams{ID: id})
	if err != nil {
		return client.Media{}, err
	}
	return m.Data, nil
}

// upload announces and sends.
func upload(t testing.TB, c *client.Client, purpose client.MediaPurpose, contentType string, data []byte) client.MediaId {
	t.Helper()
	id := announce(t, c, purpose, contentType, len(data))
	if _, err := send(t.Context(), c, id, data); err != nil {
		t.Fatal(err)
	}
	return id
}

// settled waits until a picture is ready or failed.
func settled(t testing.TB, c *client.Client, id client.MediaId) client.Media {
	t.Helper()
	var last client.Media
	eventually(t, "the picture to be done", func() bool {
		m, err := c.GetMedia(t.Context(), client.GetMediaParams{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		last = m.Data
		return last.State == client.MediaStateReady || last.State == client.MediaStateFailed
	})
	return last
}

func ready(t testing.TB, c *client.Client, id client.MediaId) client.Media {
	t.Helper()
	m := settled(t, c, id)
	if m.State != client.MediaStateReady {
		t.Fatalf("not ready: %+v", m)
	}
	return m
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// refusal returns status and code of an error of the API.
func refusal(err error) string {
	var p *client.ProblemStatusCode
	if !errors.As(err, &p) {
		return fmt.Sprint(err)
	}
	return fmt.Sprint(p.StatusCode, " ", p.Response.Code)
}

// fetch gets a picture as browsers do.
func (r *rig) fetch(url string) (int, []byte, http.Header) {
	r.t.Helper()
	res, err := http.Get(r.URL + url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, data, res.Header
}

// metric returns the value of a line of /metrics.
func (r *rig) metric(line string) string {
	r.t.Helper()
	rec := httptest.NewRecorder()
	r.Server.Admin().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for text := range strings.Lines(rec.Body.String()) {
		if value, ok := strings.CutPrefix(text, line+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "absent"
}

// counted waits until so many pictures count as something: that happens a moment after their owner can read it.
func (r *rig) counted(result string, n int) {
	r.t.Helper()
	line := `media_jobs_total{result="` + result + `"}`
	eventually(r.t, line+" "+strconv.Itoa(n), func() bool { return r.metric(line) == strconv.Itoa(n) })
}

// objects returns the keys of an area of the rig's store.
func (r *rig) objects(area string) (keys []string) {
	r.t.Helper()
	if err := r.opts.Media.Store.List(r.t.Context(), area, func(o store.Object) error { keys = append(keys, o.Key); return nil }); err != nil {
		r.t.Fatal(err)
	}
	return keys
}

func (r *rig) queries() *db.Queries { return db.New(r.Pool) }

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.Pool.Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Fatal(err)
	}
}

func form(name, contentType string, data []byte) *client.CreateMediaFormMultipart {
	f := ht.MultipartFile{Name: name, File: bytes.NewReader(data), Size: int64(len(data))}
	f.Header = map[string][]string{"Content-Type": {contentType}}
	return &client.CreateMediaFormMultipart{File: f, Purpose: client.MediaPurposePost}
}

func jpeg(w, h int) []byte { return mediatest.JPEG(mediatest.Photo(w, h)) }

// childOf returns the pid of a child of a process that decodes, 0 when there is none.
func childOf(parent int) int {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if string(line) == "platctl\x00"+child.Command+"\x00" {
				pid, _ := strconv.Atoi(field)
				return pid
			}
		}
	}
	return 0
}
