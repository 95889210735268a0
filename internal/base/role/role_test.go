package role

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample() Document {
	return Document{Role: Active, Token: 7, Release: "12-1.4.0", At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "role.v1.json")
	got, err := sample().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("wrote\n%s\nthe format is\n%s", got, want)
	}
	d, err := Parse(want)
	if err != nil || d.Role != Active || d.Token != 7 || !d.At.Equal(sample().At) {
		t.Errorf("read %+v, %v", d, err)
	}
}

func TestReaderAcceptsItsNeighbours(t *testing.T) {
	t.Parallel()
	for v, ok := range map[string]bool{"v0": true, "v1": true, "v2": true, "v3": false, "vx": false, "": false} {
		_, err := Parse([]byte(`{"schema":"platctl.role/` + v + `","role":"standby","token":1,"new_field":{"a":1}}`))
		if (err == nil) != ok {
			t.Errorf("%s: %v", v, err)
		}
	}
	if _, err := Parse([]byte(`{"schema":"platctl.role/v1","role":"boss"}`)); !errors.Is(err, fault.Invalid) {
		t.Errorf("unknown role: %v", err)
	}
}

func TestSignalTravelsAndStaleTokensAreRefused(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "role")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "c")
	ln, err := unixsock.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHolder(Standby)
	srv := &http.Server{Handler: Handler(h), ReadHeaderTimeout: time.Second}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	doc, changed := h.Watch()
	if doc.Role != Standby {
		t.Fatalf("starts as %s", doc.Role)
	}
	if err := Send(ctx, socket, sample()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-ctx.Done():
		t.Fatal("a watcher was not told")
	}
	got, err := Get(ctx, socket)
	if err != nil || got.Role != Active || got.Token != 7 {
		t.Fatalf("got %+v, %v", got, err)
	}
	stale := sample()
	stale.Role, stale.Token = Standby, 6
	if err := Send(ctx, socket, stale); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "6 is older than 7") {
		t.Fatalf("a stale token: %v", err)
	}
	if h.Get().Role != Active {
		t.Fatal("a stale signal changed the role")
	}
	again := sample()
	again.Role = Standby
	if err := Send(ctx, socket, again); err != nil || h.Get().Role != Standby {
		t.Fatalf("the same token again: %v", err)
	}
	if err := Send(ctx, filepath.Join(dir, "nobody"), sample()); !errors.Is(err, fault.Unavailable) {
		t.Fatalf("nobody listens: %v", err)
	}
}

func TestHandlerRefusesBadSignals(t *testing.T) {
	t.Parallel()
	h := NewHolder(Active)
	for body, want := range map[string]int{
		"":                                 400,
		"{":                                400,
		`{"schema":"platctl.manifest/v1"}`: 400,
		`{"schema":"platctl.role/v9"}`:     400,
		`{"schema":"platctl.role/v1","role":"active","token":-1}`: 400,
		strings.Repeat("x", maxBody+1):                            400,
	} {
		w := &recorder{header: http.Header{}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://x/role", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		Handler(h).ServeHTTP(w, r)
		if w.status != want || h.Get().Role != Active {
			t.Errorf("%.60q: status %d, role %s", body, w.status, h.Get().Role)
		}
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(s int)           { r.status = s }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":"platctl.role/v1","role":"active","token":7,"release":"1-1.0.0","at":"2026-03-04T05:06:07Z"}`))
	f.Add([]byte(`{"schema":"platctl.role/v2","role":"standby","token":18446744073709551615}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		b, err := d.Marshal()
		if err != nil { // a year beyond 9999 parses and can't be written
			return
		}
		again, err := Parse(b)
		if err != nil || again.Role != d.Role || again.Token != d.Token || again.Release != d.Release {
			t.Fatalf("%+v became %+v, %v", d, again, err)
		}
	})
}
