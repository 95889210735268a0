package store_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/media/storetest"
)

func open(t *testing.T, o store.S3Options) *store.S3 {
	t.Helper()
	s, err := store.NewS3(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A real S3 service, which checks signatures and checksums, keeps what the store promises, and every way in which it fails has its
// code.
func TestRealService(t *testing.T) {
	t.Parallel()
	service := storetest.NewReal(t, os.Getenv("PLATCTL_TEST_S3"))
	s := open(t, service.Options)
	t.Run("promises", func(t *testing.T) { keepsPromises(t, s) })
	t.Run("faults", func(t *testing.T) { failsWithCodes(t, open(t, short(service.Options)), &service.S3) })
	for name, change := range map[string]func(o *store.S3Options){
		"another secret": func(o *store.S3Options) { o.SecretKey = "another" },
		"another key":    func(o *store.S3Options) { o.AccessKey = "another" },
		"no bucket":      func(o *store.S3Options) { o.URL += "-of-nobody" },
	} {
		o := service.Options
		change(&o)
		wrong := open(t, o)
		for what, err := range map[string]error{
			"put":    wrong.Put(t.Context(), publicKey, strings.NewReader("x"), 1),
			"fetch":  wrong.Fetch(t.Context(), publicKey, io.Discard),
			"delete": wrong.Delete(t.Context(), publicKey),
			"list":   wrong.List(t.Context(), store.Public, func(store.Object) error { return nil }),
		} {
			if code(err) != "storage_put_failed" {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	if got := fetch(t, s, publicKey); got != "a picture" {
		t.Errorf("after all that the picture is %q", got)
	}
}

func short(o store.S3Options) store.S3Options {
	o.Timeout = 2 * time.Second
	return o
}

// A service that is killed in the middle of uploads and started again has every one that it acknowledged, whole, and nothing of the
// others but what was whole too.
func TestRealServiceKilled(t *testing.T) {
	t.Parallel()
	service := storetest.NewReal(t, os.Getenv("PLATCTL_TEST_S3"))
	s := open(t, service.Options)
	const size = 1 << 20
	text := func(key string) string { return strings.Repeat(key[len(key)-8:], size/8) }
	var kept sync.Map
	var acknowledged, failed atomic.Int64
	for round := range 5 {
		stop := make(chan struct{})
		enough := make(chan struct{}, 1)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					key := fmt.Sprintf("%saaaabbbb-%02d-%02d-%04d", store.Staging, round, w, n)
					if err := s.Put(t.Context(), key, strings.NewReader(text(key)), size); err != nil {
						failed.Add(1)
						return
					}
					kept.Store(key, true)
					if acknowledged.Add(1); n == 3 {
						select {
						case enough <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		<-enough
		service.Kill()
		close(stop)
		wg.Wait()
		service.Start(t)
	}
	if failed.Load() == 0 {
		t.Error("no upload was cut off")
	}
	whole := map[string]bool{}
	for _, key := range list(t, s, store.Staging) {
		if got := fetch(t, s, key); got != text(key) {
			t.Errorf("%s: %d bytes of %d, or others", key, len(got), size)
		}
		whole[key] = true
	}
	kept.Range(func(key, _ any) bool {
		if !whole[key.(string)] {
			t.Errorf("%s was acknowledged and is lost", key)
		}
		return true
	})
	t.Logf("%d acknowledged, %d cut off, %d there", acknowledged.Load(), failed.Load(), len(whole))
}

// While the service is away an upload fails as unreachable, and the same upload succeeds when it is back.
func TestRealServiceAway(t *testing.T) {
	t.Parallel()
	service := storetest.NewReal(t, os.Getenv("PLATCTL_TEST_S3"))
	s := open(t, service.Options)
	service.Kill()
	if err := s.Put(t.Context(), publicKey, strings.NewReader("a picture"), 9); code(err) != "storage_unreachable" {
		t.Errorf("%v", err)
	}
	service.Start(t)
	put(t, s, publicKey, "a picture")
	service.Break(storetest.Cut, http.MethodPut) // it is stored, and nobody hears so
	if err := s.Put(t.Context(), stagingKey, strings.NewReader("an upload"), 9); code(err) != "storage_unreachable" {
		t.Errorf("%v", err)
	}
	service.Break(storetest.None, "")
	put(t, s, stagingKey, "an upload")
	if got := fetch(t, s, stagingKey) + fetch(t, s, publicKey); got != "an uploada picture" {
		t.Errorf("%q", got)
	}
}
