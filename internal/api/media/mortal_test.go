package media_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// mortalCommand makes this test's program a server that kills itself at a point.
const mortalCommand = "mortal-server"

const mortalEnv = "MORTAL_SERVER"

// fate is what a mortal server is told.
type fate struct {
	Database string
	Dir      string
	Call     string // of the store: put, fetch, delete; empty: it lives until it is killed
	Area     string
	Nth      int32
	After    bool // the call, and not before it
}

// lease is short, so that a test needs not wait for what a dead server held.
const lease = time.Second

func serveMortal() error {
	var f fate
	if err := json.Unmarshal([]byte(os.Getenv(mortalEnv)), &f); err != nil {
		return err
	}
	ctx := context.Background()
	pool, err := pg.Open(ctx, f.Database, pg.Options{MaxConns: 8})
	if err != nil {
		return err
	}
	local, err := store.NewLocal(f.Dir)
	if err != nil {
		return err
	}
	ring, err := keyring.Single(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		return err
	}
	srv, err := server.New(ctx, server.Options{
		Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Pool: pool, JobsPool: pool, Role: always{},
		Hasher: account.NewHasher(1, 4, time.Minute, account.WithCost(64, 1)), Keys: keyring.Static(ring), IDKey: apitest.IDKey(), AccessTTL: 10 * time.Minute, RefreshTTL: time.Hour,
		SchemaVersion: func(context.Context) (int64, error) { return 0, nil },
		Media: server.Media{
			Store: &mortal{Store: local, fate: f, die: die}, Local: local, WorkDir: filepath.Join(f.Dir, "work"), Timing: media.Timing{Lease: lease},
			Limits: media.Limits{Bytes: 10 << 20, AccountFiles: 100, AccountBytes: 100 << 20},
		},
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	return srv.Run(ctx, l)
}

type always struct{}

func (always) Active() bool { return true }

func (always) Watch() (bool, <-chan struct{}) { return true, nil }

// mortal is a store in which a server, or another process, meets its fate.
type mortal struct {
	store.Store
	fate  fate
	die   func()
	calls atomic.Int32
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (m *mortal) meet(call, key string, after bool) {
	if m.fate.Call != call || m.fate.After != after || !strings.HasPrefix(key, m.fate.Area) || m.calls.Add(1) != m.fate.Nth {
		return
	}
	m.die()
}

// Put implements store.Store.
func (m *mortal) Put(ctx context.Context, key string, src io.ReaderAt, size int64) error {
	m.meet("put", key, false)
	err := m.Store.Put(ctx, key, src, size)
	m.meet("put", key, true)
	return err
}

// Fetch implements store.Store.
func (m *mortal) Fetch(ctx context.Context, key string, dst io.Writer) error {
	m.meet("fetch", key, false)
	err := m.Store.Fetch(ctx, key, dst)
	m.meet("fetch", key, true)
	return err
}

// Delete implements store.Store.
func (m *mortal) Delete(ctx context.Context, key string) error {
	m.meet("delete", key, false)
	err := m.Store.Delete(ctx, key)
	m.meet("delete", key, true)
	return err
}

// startMortal starts the server as a process of its own and returns its address.
func startMortal(t testing.TB, f fate) (url string, p *exec.Cmd) {
	t.Helper()
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	p = exec.CommandContext(context.WithoutCancel(t.Context()), "/proc/self/exe", mortalCommand)
	p.Env = append(os.Environ(), mortalEnv+"="+string(data))
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Stderr = &bytes.Buffer{}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = p.Wait()
		t.Fatalf("the server did not start: %v: %s", err, p.Stderr)
	}
	return strings.TrimSpace(line), p
}

// An upload that was acknowledged becomes a picture wherever the server is killed; one that was not can be sent again. Nothing is left
// over.
func TestKilledServers(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fate{
		"before the bytes are kept":      {Call: "put", Area: store.Staging, Nth: 1},
		"between the bytes and the row":  {Call: "put", Area: store.Staging, Nth: 1, After: true},
		"once it was acknowledged":       {},
		"before it is fetched":           {Call: "fetch", Area: store.Staging, Nth: 1},
		"before it is decoded":           {Call: "fetch", Area: store.Staging, Nth: 1, After: true},
		"while it is decoded":            {},
		"before the first size is kept":  {Call: "put", Area: store.Public, Nth: 1},
		"between two sizes":              {Call: "put", Area: store.Public, Nth: 1, After: true},
		"before the picture is ready":    {Call: "put", Area: store.Public, Nth: 2, After: true},
		"before the upload is forgotten": {Call: "delete", Area: store.Staging, Nth: 1},
		"after the upload is deleted":    {Call: "delete", Area: store.Staging, Nth: 1, After: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dieAndRise(t, name, f)
		})
	}
}

func dieAndRise(t *testing.T, name string, f fate) {
	t.Helper()
	f.Database, f.Dir = pgtest.New(t, apitest.Template(t)), t.TempDir()
	url, p := startMortal(t, f)
	data := mediatest.JPEG(mediatest.Photo(700, 500)) // two sizes
	if name == "while it is decoded" {
		data = mediatest.Scans(5000, 5000, 20) // a second or so of decoding
	}
	ana := firstUpload(t, url, data)
	switch name {
	case "once it was acknowledged":
		_ = p.Process.Kill()
	case "while it is decoded":
		child := 0
		eventually(t, "a child", func() bool { child = childOf(p.Process.Pid); return child != 0 })
		_ = p.Process.Kill()
		eventually(t, "the child to die with its server", func() bool { return syscall.Kill(child, 0) != nil })
	}
	_ = p.Wait()
	local, err := store.NewLocal(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOn(t, f.Database, func(o *server.Options) { o.Media.Store, o.Media.Local = local, local })
	c := r.Client(ana.token)
	desk := r.desk(media.Timing{Lease: lease})
	if !ana.acknowledged {
		if m, err := c.GetMedia(t.Context(), client.GetMediaParams{ID: ana.id}); err != nil || m.Data.State != client.MediaStateAwaiting {
			t.Errorf("not acknowledged, and %+v, %v", m, err)
		}
		if _, err := send(t.Context(), c, ana.id, data); err != nil {
			t.Fatal(err)
		}
	}
	var m client.Media
	eventually(t, "the picture", func() bool {
		if _, err := desk.Rescue(t.Context()); err != nil {
			t.Fatal(err)
		}
		res, err := c.GetMedia(t.Context(), client.GetMediaParams{ID: ana.id})
		if err != nil {
			t.Fatal(err)
		}
		m = res.Data
		return m.State == client.MediaStateReady || m.State == client.MediaStateFailed
	})
	if m.State != client.MediaStateReady {
		t.Errorf("%+v", m)
	}
	for _, size := range m.Sizes {
		if code, _, _ := r.fetch(size.URL); code != 200 {
			t.Errorf("%s: %d", size.URL, code)
		}
	}
	if _, err := r.desk(media.Timing{Unused: time.Nanosecond}).CleanUp(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if left := append(r.objects(store.Public), r.objects(store.Staging)...); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// attempt is what came of an upload to a mortal server.
type attempt struct {
	token        string
	id           client.MediaId
	acknowledged bool
}

func firstUpload(t testing.TB, url string, data []byte) attempt {
	t.Helper()
	access := signUpFor(t, url, "ana")
	c := clientOf(t, url, access)
	a := attempt{token: access, id: announce(t, c, client.MediaPurposePost, "image/jpeg", len(data))}
	_, err := send(t.Context(), c, a.id, data)
	a.acknowledged = err == nil
	return a
}

// signUpFor returns an access token of a new account at a server.
func signUpFor(t testing.TB, url, handle string) string {
	t.Helper()
	res, err := clientOf(t, url, "").Signup(t.Context(), &client.SignupRequest{Handle: client.Handle(handle), DisplayName: handle, Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := res.(*client.SessionResponse)
	if !ok {
		t.Fatalf("signup: %T", res)
	}
	return s.Data.AccessToken
}

func clientOf(t testing.TB, url, access string) *client.Client {
	t.Helper()
	c, err := client.NewClient(url, token(access))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type token string

// Bearer implements the generated SecuritySource.
func (b token) Bearer(context.Context, client.OperationName) (client.Bearer, error) {
	return client.Bearer{Token: string(b)}, nil
}
