package keyring

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// place is a file with the ring of an older release in it.
func place(t *testing.T) Place {
	t.Helper()
	p := Place{Name: "auth.signing_key", Path: filepath.Join(t.TempDir(), "signing.key")}
	overwrite(t, p, base64.StdEncoding.EncodeToString(seed(1))+"\n")
	return p
}

func overwrite(t *testing.T, p Place, text string) {
	t.Helper()
	if err := os.WriteFile(p.Path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(b byte) func(Ring) (Ring, error) {
	return func(r Ring) (Ring, error) {
		return r.Rotate(Rotation{Now: at(int(b)), Seed: seed(b), Grace: time.Second, Overlap: time.Hour})
	}
}

// A rotation replaces the file and keeps its mode; through a link it replaces what the link names.
func TestRewrite(t *testing.T) {
	t.Parallel()
	p := place(t)
	if err := os.Chmod(p.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	link := Place{Name: p.Name, Path: filepath.Join(t.TempDir(), "link")}
	if err := os.Symlink(p.Path, link.Path); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Rewrite(add(2)), link.Rewrite(add(3))); err != nil {
		t.Fatal(err)
	}
	st, err := os.Lstat(link.Path)
	if err != nil || st.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", st, err)
	}
	r, err := p.Load()
	if err != nil || len(r.Keys()) != 3 {
		t.Fatalf("%s, %v", r, err)
	}
	if st, err := os.Stat(p.Path); err != nil || st.Mode() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	refused := errors.New("refused")
	if err := p.Rewrite(func(Ring) (Ring, error) { return Ring{}, refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	if again, err := p.Load(); err != nil || again.String() != r.String() {
		t.Errorf("a change that was refused left %s, %v", again, err)
	}
}

// Of many at once each that answers well is in the file; the others are told that somebody is at it.
func TestRewritesAtOnce(t *testing.T) {
	t.Parallel()
	p := place(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for b := range byte(20) {
		wg.Go(func() {
			err := p.Rewrite(func(r Ring) (Ring, error) {
				return r.Rotate(Rotation{Now: r.keys[len(r.keys)-1].SignsFrom.Add(time.Minute), Seed: seed(b + 2), Overlap: 999 * time.Hour})
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if !errors.Is(err, fault.Busy) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, err := p.Load()
	if err != nil || done == 0 || len(r.Keys()) != done+1 {
		t.Errorf("%d rotations said that they are done; the file has %s, %v", done, r, err)
	}
}

// A file that others may read holds no secret; one that is missing, huge or no file is no ring.
func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o440: true, 0o640: true, 0o644: false, 0o604: false, 0o660: false, 0o601: false} {
		p := place(t)
		if err := os.Chmod(p.Path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Load(); (err == nil) != ok || err != nil && (!errors.Is(err, fault.Config) || !strings.Contains(err.Error(), "others may read")) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	p := place(t)
	overwrite(t, p, strings.Repeat(" ", maxBytes+1))
	dir := Place{Name: "auth.signing_key", Path: t.TempDir()}
	if err := os.Chmod(dir.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Place{p, dir, {Name: "auth.signing_key", Path: p.Path + ".none"}} {
		if _, err := p.Load(); !errors.Is(err, fault.Config) || !strings.Contains(err.Error(), "can't be read") {
			t.Errorf("%s: %v", p.Path, err)
		}
		if err := p.Rewrite(add(2)); !errors.Is(err, fault.Config) {
			t.Errorf("%s: %v", p.Path, err)
		}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A running server takes a new ring over, and keeps the one it has while the file is damaged, missing or open to others.
func TestSourceFollowsTheFile(t *testing.T) {
	t.Parallel()
	p := place(t)
	var log lockedBuffer
	s, err := Open(p, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx, time.Millisecond)
	}()
	until := func(what string, f func() bool) {
		t.Helper()
		for start := time.Now(); !f(); time.Sleep(time.Millisecond) {
			if time.Since(start) > time.Minute {
				t.Fatalf("never %s: %s\n%s", what, s.Ring(), &log)
			}
		}
	}
	if err := p.Rewrite(add(2)); err != nil {
		t.Fatal(err)
	}
	until("read again", func() bool { return len(s.Ring().Keys()) == 2 })
	good, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func(){
		"half a file": func() { overwrite(t, p, string(good[:len(good)/2])) },
		"mode": func() {
			if err := os.Chmod(p.Path, 0o644); err != nil {
				t.Fatal(err)
			}
		},
		"missing": func() {
			if err := os.Remove(p.Path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		before := s.Failures()
		damage()
		until("noticed: "+what, func() bool { return s.Failing() && s.Failures() > before+3 })
		if len(s.Ring().Keys()) != 2 {
			t.Errorf("%s: the ring in force is %s", what, s.Ring())
		}
		_ = os.Remove(p.Path)
		overwrite(t, p, string(good))
		until("good again after: "+what, func() bool { return !s.Failing() })
	}
	stop()
	<-ended
	if n := strings.Count(log.String(), "can't be read again"); n < 3 || n > 9 { // between two complaints the file may look otherwise
		t.Errorf("%d complaints:\n%s", n, &log)
	}
	if strings.Contains(log.String(), base64.StdEncoding.EncodeToString(seed(1))[:8]) {
		t.Errorf("the log shows a key:\n%s", &log)
	}
}
