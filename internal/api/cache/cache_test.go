package cache

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 30 * time.Second

// rig is a cache with a hand on what the feed and the database say.
type rig struct {
	*Cache
	*Family
	woken  atomic.Int64
	busted atomic.Bool
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	if o.RecheckOne == 0 {
		o.RecheckOne = 1 << 31
	}
	o.Log = slog.New(slog.DiscardHandler)
	o.Wake = func() { r.woken.Add(1) }
	o.Busted = func(context.Context, string, []string) (bool, error) { return r.busted.Load(), nil }
	var err error
	if r.Cache, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.Family = r.Cache.Family("test", Same)
	return r
}

// read is a read of the feed that brings tags.
func (r *rig) read(tags ...string) { r.Apply(r.Reading(), "1:1:", tags) }

func page(body string, tags ...string) *Answer {
	return &Answer{Status: http.StatusOK, Header: http.Header{}, Body: []byte(body), ETag: ETag([]byte(body)), Tags: tags, Keep: time.Minute}
}

func always(a *Answer) Load { return func(context.Context) *Answer { return a } }

func (r *rig) fetch(t *testing.T, key string, load Load) string {
	t.Helper()
	a, err := r.Fetch(t.Context(), key, load)
	if err != nil {
		t.Fatal(err)
	}
	return string(a.Body)
}

func (r *rig) hit(t *testing.T, key string) string {
	t.Helper()
	if a := r.Hit(t.Context(), key, always(page("made again", "x"))); a != nil {
		return string(a.Body)
	}
	return ""
}

func TestKeepAndBust(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	if got := r.fetch(t, "k", always(page("early", "a"))); got != "early" || r.hit(t, "k") != "" {
		t.Errorf("before the first read %q, and %q is kept", got, r.hit(t, "k"))
	}
	r.read()
	r.fetch(t, "k", always(page("one", "a", "b")))
	r.fetch(t, "l", always(page("two", "b")))
	if r.hit(t, "k") != "one" || r.hit(t, "l") != "two" {
		t.Errorf("kept: %q, %q", r.hit(t, "k"), r.hit(t, "l"))
	}
	r.read("a", "of nobody")
	if r.hit(t, "k") != "" || r.hit(t, "l") != "two" {
		t.Errorf("after a bust: %q, %q", r.hit(t, "k"), r.hit(t, "l"))
	}
	r.read(Everything)
	if r.hit(t, "l") != "" || len(r.tagged) != 0 {
		t.Errorf("after everything: %q, %v", r.hit(t, "l"), r.tagged)
	}
	r.fetch(t, "k", always(page("three", "a")))
	r.Cut()
	if got := r.fetch(t, "k", always(page("four", "a"))); got != "four" || r.hit(t, "k") != "" {
		t.Errorf("while cut: %q, kept %q", got, r.hit(t, "k"))
	}
	r.read()
	if r.hit(t, "k") != "" {
		t.Error("what was kept before the cut is back")
	}
	for what, a := range map[string]*Answer{
		"no tags": page("x"), "not for long": {Status: 503, Body: []byte("x"), Tags: []string{"a"}}, "large": page(string(make([]byte, maxBody+1)), "a"),
	} {
		if r.fetch(t, what, always(a)); r.hit(t, what) != "" {
			t.Errorf("kept with %s", what)
		}
	}
}

func TestOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{MaxBytes: -1})
	r.read()
	r.Expect()
	if got := r.fetch(t, "k", always(page("one", "a"))); got != "one" || r.hit(t, "k") != "" || r.woken.Load() != 0 || r.weight() != 0 {
		t.Errorf("%q, kept %q, woken %d", got, r.hit(t, "k"), r.woken.Load())
	}
}

// began starts fetching a key with a load that hangs, and returns when the load runs, with what ends it.
func (r *rig) began(t *testing.T, key string, a *Answer) (answer <-chan string, end func()) {
	t.Helper()
	running, ended, out := make(chan struct{}), make(chan struct{}), make(chan string, 1)
	go func() {
		got, err := r.Fetch(t.Context(), key, func(context.Context) *Answer {
			close(running)
			<-ended
			return a
		})
		if err != nil {
			out <- err.Error()
			return
		}
		out <- string(got.Body)
	}()
	<-running
	return out, func() { close(ended) }
}

// A load that began before a bust of its tags arrived is answered to who asked before it, to nobody after it, and not kept.
func TestOvertakenLoad(t *testing.T) {
	t.Parallel()
	for what, bust := range map[string]func(*rig){
		"its tag": func(r *rig) { r.read("x", "b") }, "everything": func(r *rig) { r.read(Everything) },
		"a cut": func(r *rig) { r.Cut(); r.read() },
	} {
		r := newRig(t, Options{})
		r.read()
		first, end := r.began(t, "k", page("old", "a", "b"))
		bust(r)
		fl, joined := r.join(t.Context(), "k", nil)
		end()
		if got := <-first; got != "old" || r.hit(t, "k") != "" {
			t.Errorf("%s: who asked before got %q, kept is %q", what, got, r.hit(t, "k"))
		}
		if fl == nil || fl.overtaken < 0 || joined <= fl.overtaken {
			t.Errorf("%s: who asks afterwards takes the answer from before: %+v, %d", what, fl, joined)
		}
		if got := r.fetch(t, "k", always(page("new", "a", "b"))); got != "new" {
			t.Errorf("%s: the next answer is %q", what, got)
		}
	}
	r := newRig(t, Options{})
	r.read()
	first, end := r.began(t, "k", page("old", "a"))
	r.read("b")
	end()
	if got := <-first; got != "old" || r.hit(t, "k") != "old" {
		t.Errorf("a bust of something else: %q, kept %q", got, r.hit(t, "k"))
	}
}

// joined is how many loads of a key are under way: newcomers wait for one.
func (r *rig) joined(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flights[key] == nil {
		return 0
	}
	return 1
}

// 500 ask at once and one loads. Who leaves gets an error and ends nobody's load.
func TestStampede(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.read()
	var loads atomic.Int64
	free := make(chan struct{})
	load := func(ctx context.Context) *Answer {
		loads.Add(1)
		select {
		case <-free:
			return page("one", "a")
		case <-ctx.Done():
			return nil
		}
	}
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := r.Fetch(leaving, "k", load)
		left <- err
	}()
	for loads.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	var all sync.WaitGroup
	var started atomic.Int64
	for range 500 {
		all.Go(func() {
			started.Add(1)
			if got := r.fetch(t, "k", load); got != "one" {
				t.Errorf("%q", got)
			}
		})
	}
	for started.Load() < 500 {
		time.Sleep(time.Millisecond)
	}
	close(free)
	all.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}

// After a write was acknowledged here, what was kept is served when the next read has been applied, and not before.
func TestExpect(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.read()
	r.fetch(t, "k", always(page("old", "a")))
	ticket := r.Reading() // of a read that began before the write
	r.Expect()
	r.Apply(ticket, "1:1:", nil)
	if got := r.hit(t, "k"); got != "" || r.woken.Load() != 1 {
		t.Errorf("after the write %q, woken %d", got, r.woken.Load())
	}
	done := make(chan string, 1)
	go func() { done <- r.fetch(t, "k", always(page("new", "a"))) }()
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		waits = r.advanced != nil || len(done) > 0
		r.mu.Unlock()
	}
	r.read("a")
	if got := <-done; got != "new" {
		t.Errorf("after the next read %q", got)
	}
	r.Expect()
	if got := r.fetch(t, "k", always(page("newer", "a"))); got != "newer" {
		t.Errorf("without a read %q", got)
	}
}

// A panic is everybody's own.
func TestPanickingLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.read()
	calls := 0
	got := r.fetch(t, "k", func(context.Context) *Answer {
		if calls++; calls == 1 {
			panic("once")
		}
		return page("second", "a")
	})
	if got != "second" || r.joined("k") != 0 {
		t.Errorf("%q, loads under way: %d", got, r.joined("k"))
	}
}

// A difference that no bust explains is counted.
func TestRecheck(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{RecheckOne: 1})
	r.read()
	r.fetch(t, "k", always(page("old", "a")))
	results := func(what string, again *Answer) {
		t.Helper()
		for end := time.Now().Add(patience); r.Hit(t.Context(), "k", always(again)) != nil; time.Sleep(time.Millisecond) {
			if n := count(t, r, what); n > 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("never %s", what)
			}
		}
	}
	results("same", page("old", "a"))
	r.busted.Store(true)
	results("overtaken", page("new", "a"))
	results("unknown", &Answer{Status: http.StatusServiceUnavailable})
	if n := count(t, r, "divergent"); n != 0 {
		t.Errorf("%v divergences", n)
	}
	r.busted.Store(false)
	results("divergent", page("new", "a"))
}

// What is kept stays within its bound, and the index by tags with it.
func TestBound(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{MaxBytes: 100 << 10})
	r.read()
	for i := range 1000 {
		r.fetch(t, string(rune('a'+i%26))+string(rune(i)), always(page(string(make([]byte, 1<<10)), "a", string(rune(i)))))
	}
	r.store.CleanUp()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		indexed := len(r.tagged["a"])
		r.mu.Unlock()
		if indexed <= 100 && r.weight() <= 100<<10 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d answers of %v bytes", indexed, r.weight())
		}
	}
}
