package media_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
)

// The clean-up finds everything that nothing needs, and nothing else; a dry run finds the same and removes nothing.
func TestCleanUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	_, ana := r.Signup("ana")
	_, ben := r.Signup("ben")
	shown := ready(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(300, 200)))
	face := ready(t, ana, upload(t, ana, client.MediaPurposeAvatar, "image/jpeg", jpeg(301, 200)))
	loose := ready(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(302, 200)))
	silent := announce(t, ana, client.MediaPurposePost, "image/jpeg", 100)
	failed := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(600, 400)[:5000])
	purged := ready(t, ben, upload(t, ben, client.MediaPurposeAvatar, "image/jpeg", jpeg(303, 200)))
	settled(t, ana, failed)
	if _, err := ana.CreatePost(ctx, &client.CreatePostRequest{Body: "Plums.", Media: []client.MediaId{shown.ID}}); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.UpdateMe(ctx, &client.UpdateMeRequest{Avatar: client.NewOptNilString(string(face.ID))}); err != nil {
		t.Fatal(err)
	}
	r.exec("update media set created_at = now() - interval '25 hours'")
	r.exec("delete from users where handle = 'ben'")
	orphan(t, r, store.Staging+"orphanorphanorphanorphan")
	orphan(t, r, store.Public+"orphanorphanorphanorphan-800.webp")
	young := store.Staging + "youngyoungyoungyoung"
	if err := r.opts.Media.Store.Put(ctx, young, strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	before := len(r.objects(store.Public)) + len(r.objects(store.Staging))
	desk := r.desk(media.Timing{})
	dry, err := desk.CleanUp(ctx, true)
	if want := (media.Cleaned{DryRun: true, Expired: 1, Unused: 1, Blobs: 1, Orphans: 2}); err != nil || dry != want {
		t.Errorf("dry run %+v, want %+v, %v", dry, want, err)
	}
	if n := len(r.objects(store.Public)) + len(r.objects(store.Staging)); n != before {
		t.Errorf("a dry run left %d of %d objects", n, before)
	}
	got, err := desk.CleanUp(ctx, false)
	if want := (media.Cleaned{Expired: 1, Unused: 1, Blobs: 2, Orphans: 2}); err != nil || got != want {
		t.Errorf("cleaned %+v, want %+v, %v", got, want, err)
	}
	for name, m := range map[string]struct {
		of   client.Media
		code int
	}{"of a post": {shown, 200}, "of a profile": {face, 200}, "attached to nothing": {loose, 404}, "of somebody purged": {purged, 404}} {
		if code, _, _ := r.fetch(m.of.Sizes[0].URL); code != m.code {
			t.Errorf("a picture %s answers %d", name, code)
		}
	}
	if m := settled(t, ana, silent); m.Failure.Value.Code != client.MediaFailureCodeOrphanStaging {
		t.Errorf("announced and never sent: %+v", m)
	}
	if n := countedBy(t, desk, "orphan_staging"); n != 1 {
		t.Errorf("what never came counts %v times, want once", n)
	}
	if _, err := send(ctx, ana, silent, make([]byte, 100)); refusal(err) != "409 orphan_staging" {
		t.Errorf("sent after a day: %v", err)
	}
	if m := settled(t, ana, failed); m.Failure.Value.Code != client.MediaFailureCodeCorrupt {
		t.Errorf("a failure can be read for a week: %+v", m)
	}
	if left := r.objects(store.Staging); len(left) != 1 || left[0] != young {
		t.Errorf("uploads left: %v", left)
	}
	if again, err := desk.CleanUp(ctx, false); err != nil || again != (media.Cleaned{}) {
		t.Errorf("a second one cleaned %+v, %v", again, err)
	}
}

// countedBy is how many pictures a service has counted as something.
func countedBy(t *testing.T, s *media.Service, result string) (n float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Metrics)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "media_jobs_total" && m.GetLabel()[0].GetValue() == result {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// orphan puts an old object into the store that no row knows.
func orphan(t *testing.T, r *rig, key string) {
	t.Helper()
	if err := r.opts.Media.Store.Put(t.Context(), key, strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	area, name, _ := strings.Cut(key, "/")
	path := r.opts.Media.WorkDir + "/../" + area + "/" + name[:2] + "/" + name[2:4] + "/" + name
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

// crashing is a decoder whose processes die.
type crashing struct {
	left  int
	death error
	next  media.Decoder
	tries chan struct{}
}

// Convert implements media.Decoder.
func (c *crashing) Convert(ctx context.Context, in *os.File, declared string, sides []int) (*child.Output, error) {
	c.tries <- struct{}{}
	if c.left--; c.left >= 0 {
		return nil, c.death
	}
	return c.next.Convert(ctx, in, declared, sides)
}

// A picture that crashes every process is given up after five, one that hits a limit after two; its upload stays, and an operator who
// has mended the reason brings it back.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	for want, c := range map[picture.Code]*crashing{
		picture.Poison:        {left: 5, death: &child.Failure{Detail: "exit status 2: panic: index out of range"}},
		picture.DecodeTimeout: {left: 2, death: &child.Failure{Code: picture.DecodeTimeout, Detail: "it took more than 20s to work on"}},
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			tries := c.left
			c.tries = make(chan struct{}, 100)
			r := newRig(t, func(o *server.Options) {
				next, err := child.New(child.Options{Dir: t.TempDir(), Limits: child.DefaultLimits(), Log: o.Log})
				if err != nil {
					t.Fatal(err)
				}
				c.next, o.Media.Decoder = next, c
			})
			_, ana := r.Signup("ana")
			id := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(300, 200))
			m := settled(t, ana, id)
			if string(m.Failure.Value.Code) != string(want) || len(c.tries) != tries || len(r.objects(store.Staging)) != 1 {
				t.Errorf("%+v after %d tries, want %d", m, len(c.tries), tries)
			}
			if strings.Contains(m.Failure.Value.Detail, "panic") {
				t.Errorf("the client reads of our crash: %+v", m)
			}
			r.counted(string(want), 1)
			if res, err := r.desk(media.Timing{}).Retry(t.Context(), 0, string(want), false); err != nil || len(res.Blobs) != 1 {
				t.Errorf("%+v, %v", res, err)
			}
			ready(t, ana, id)
		})
	}
}

// An upload whose servers all die before they have an answer is given up as well, and is no burden for ever.
func TestStuck(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *server.Options) { o.JobsPool = nil }) // nobody works
	_, ana := r.Signup("ana")
	id := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(300, 200))
	desk := r.desk(media.Timing{})
	if n, err := desk.Rescue(t.Context()); err != nil || n != 0 {
		t.Errorf("its job waits, and %d were rescued, %v", n, err)
	}
	r.exec("delete from river_job")
	r.exec("update media_blobs set created_at = now() - interval '2 minutes'")
	for range 2 {
		if n, err := desk.Rescue(t.Context()); err != nil {
			t.Fatal(n, err)
		}
	}
	var jobs int
	if err := r.Pool.QueryRow(t.Context(), "select count(*) from river_job where kind = 'media_process'").Scan(&jobs); err != nil || jobs != 1 {
		t.Errorf("%d jobs, %v; a lost job is made again, once", jobs, err)
	}
	r.exec("update river_job set state = 'running'")
	r.exec("update media_blobs set claimed_until = now() - interval '1 second', rescues = 5")
	if n, err := desk.Rescue(t.Context()); err != nil || n != 1 {
		t.Errorf("the claim of a dead server: rescued %d, %v", n, err)
	}
	st, err := media.ReadStatus(t.Context(), r.queries())
	if err != nil || st.Pending != 1 || st.OldestSeconds < 100 || st.Verdict() != nil {
		t.Errorf("%+v, %v", st, err)
	}
	r.exec("update media_blobs set created_at = now() - interval '11 minutes'")
	if st, err := media.ReadStatus(t.Context(), r.queries()); err != nil || st.Verdict() == nil {
		t.Errorf("%+v, %v", st, err)
	}
	worker := newRigOn(t, r.Pool.Config().ConnString(), func(o *server.Options) { o.Media.Store, o.Media.Local = r.opts.Media.Store, r.opts.Media.Local })
	m := settled(t, worker.Client(anaToken(t, r)), id)
	if m.Failure.Value.Code != client.MediaFailureCodeStuckRunning {
		t.Errorf("%+v", m)
	}
	worker.counted("stuck_running", 1)
}

func anaToken(t *testing.T, r *rig) string {
	t.Helper()
	s, err := r.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	return s.Data.AccessToken
}
