package media_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/media/storetest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
)

// bucket makes the server keep its pictures in an S3 service that a test can break.
func bucket(t *testing.T, service *storetest.S3) func(*server.Options) {
	t.Helper()
	s, err := store.NewS3(service.Options)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		o.Media.Store, o.Media.Local, o.Media.URL = s, nil, service.Options.URL+"/public"
	}
}

// While the store fails nothing is acknowledged; what was acknowledged before waits, says why, and becomes a picture when the store
// is back.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault storetest.Fault
		code  string
	}{
		"answers 500":     {storetest.Answer500, "storage_put_failed"},
		"does not answer": {storetest.Hang, "storage_unreachable"},
		"hangs up":        {storetest.Cut, "storage_unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := storetest.NewS3(t)
			service.Options.Timeout = 300 * time.Millisecond
			r := newRig(t, bucket(t, service))
			_, ana := r.Signup("ana")
			data := jpeg(300, 200)
			id := announce(t, ana, client.MediaPurposePost, "image/jpeg", len(data))
			service.Break(c.fault, "")
			if _, err := send(t.Context(), ana, id, data); refusal(err) != "503 "+c.code {
				t.Errorf("while the store fails: %v", err)
			}
			r.counted(c.code, 1)
			service.Break(storetest.None, "")
			service.Break(c.fault, http.MethodGet) // the upload is kept, and can't be fetched
			if _, err := send(t.Context(), ana, id, data); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the failure to be noted", func() bool { return codeOf(r, 1) == c.code })
			if m, err := ana.GetMedia(t.Context(), client.GetMediaParams{ID: id}); err != nil || m.Data.State != client.MediaStateProcessing {
				t.Errorf("meanwhile: %+v, %v", m, err)
			}
			service.Break(storetest.None, "")
			if m := ready(t, ana, id); !strings.HasPrefix(m.Sizes[0].URL, service.Options.URL+"/public/") {
				t.Errorf("%+v", m.Sizes)
			}
			// One that hung up had taken the bytes that it did not acknowledge: nobody's, until the clean-up.
			if _, err := r.desk(media.Timing{Unused: time.Nanosecond}).CleanUp(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if left := append(r.objects(store.Public), r.objects(store.Staging)...); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// codeOf returns the code of a blob, by its number: why it failed or is tried again.
func codeOf(r *rig, blob int64) (code string) {
	_ = r.Pool.QueryRow(r.t.Context(), "select coalesce(code, '') from media_blobs where id = $1", blob).Scan(&code)
	return code
}

// A store that fails for a day is a failure that its owner reads. The upload stays, and an operator brings it back.
func TestStoreFailsForLong(t *testing.T) {
	t.Parallel()
	service := storetest.NewS3(t)
	r := newRig(t, bucket(t, service))
	_, ana := r.Signup("ana")
	service.Break(storetest.Answer500, http.MethodGet)
	id := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(300, 200))
	eventually(t, "the failure to be noted", func() bool { return codeOf(r, 1) == "storage_put_failed" })
	r.exec("update media_blobs set created_at = now() - interval '25 hours'")
	m := settled(t, ana, id)
	if m.Failure.Value.Code != client.MediaFailureCodeStoragePutFailed || m.Failure.Value.Detail == "" {
		t.Errorf("%+v", m)
	}
	desk := r.desk(media.Timing{})
	st, err := media.ReadStatus(t.Context(), r.queries())
	if err != nil || len(st.Troubled) != 1 || !st.Troubled[0].Retryable || st.Troubled[0].Handle != "ana" || st.Verdict() != nil {
		t.Errorf("status %+v, %v", st, err)
	}
	service.Break(storetest.None, "")
	if res, err := desk.Retry(t.Context(), 0, "storage_put_failed", true); err != nil || len(res.Blobs) != 1 {
		t.Errorf("dry run %+v, %v", res, err)
	}
	if m := settled(t, ana, id); m.State != client.MediaStateFailed {
		t.Errorf("a dry run changed it: %+v", m)
	}
	if res, err := desk.Retry(t.Context(), 1, "", false); err != nil || len(res.Blobs) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	ready(t, ana, id)
	if res, err := desk.Retry(t.Context(), 0, "", false); err != nil || len(res.Blobs)+len(res.Skipped) != 0 {
		t.Errorf("nothing is left to retry: %+v, %v", res, err)
	}
}

// On a full disk the upload that was acknowledged waits until there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := storetest.SmallDisk(t, 1<<20)
	local, err := store.NewLocal(disk)
	if err != nil {
		t.Fatal(err)
	}
	began, carryOn := make(chan struct{}, 1), make(chan struct{})
	r := newRig(t, func(o *server.Options) {
		o.Media.Store = &held{Store: local, began: began, carryOn: carryOn}
		o.Media.Local = local
	})
	_, ana := r.Signup("ana")
	data := jpeg(600, 400)
	id := upload(t, ana, client.MediaPurposePost, "image/jpeg", data)
	<-began // it is in the store, and the job has it; now the disk fills
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk takes two megabytes")
	}
	close(carryOn)
	eventually(t, "the failure to be noted", func() bool { return codeOf(r, 1) == "storage_put_failed" })
	other := announce(t, ana, client.MediaPurposePost, "image/jpeg", len(data))
	if _, err := send(t.Context(), ana, other, data); refusal(err) != "503 storage_put_failed" {
		t.Errorf("an upload on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	ready(t, ana, id)
}

// held waits within its first fetch.
type held struct {
	store.Store
	began, carryOn chan struct{}
}

// Fetch implements store.Store.
func (h *held) Fetch(ctx context.Context, key string, dst io.Writer) error {
	select {
	case h.began <- struct{}{}:
	default:
	}
	<-h.carryOn
	return h.Store.Fetch(ctx, key, dst)
}

// killer is a decoder whose first children are killed while they work.
type killer struct {
	media.Decoder
	left  atomic.Int32
	kills atomic.Int32
}

// Convert implements media.Decoder.
func (k *killer) Convert(ctx context.Context, in *os.File, declared string, sides []int) (*child.Output, error) {
	done := make(chan struct{})
	defer close(done)
	if k.left.Add(-1) >= 0 {
		go func() {
			for {
				if pid := childOf(os.Getpid()); pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
					k.kills.Add(1)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	return k.Decoder.Convert(ctx, in, declared, sides)
}

// A child that is killed loses nothing: its picture is tried again, and says that it may have been its memory when it happens twice.
// It runs alone, because it kills whichever child of this process there is.
func TestKilledChildren(t *testing.T) {
	for kills, want := range map[int32]client.MediaState{1: client.MediaStateReady, 2: client.MediaStateFailed} {
		k := &killer{}
		k.left.Store(kills)
		r := newRig(t, func(o *server.Options) {
			runner, err := child.New(child.Options{Dir: t.TempDir(), Limits: child.DefaultLimits(), Log: o.Log})
			if err != nil {
				t.Fatal(err)
			}
			k.Decoder = runner
			o.Media.Decoder = k
		})
		_, ana := r.Signup("ana")
		m := settled(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", mediatest.Scans(3000, 3000, 60)))
		if m.State != want || k.kills.Load() != kills {
			t.Errorf("%d kills: %+v", k.kills.Load(), m)
		}
		if want == client.MediaStateFailed {
			r.counted("decode_oom", 1)
		}
		if want == client.MediaStateFailed && (m.Failure.Value.Code != client.MediaFailureCodeDecodeOom || len(r.objects(store.Staging)) != 1) {
			t.Errorf("%+v, uploads %v", m, r.objects(store.Staging))
		}
	}
}
