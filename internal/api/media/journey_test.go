package media_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/purge"
	"github.com/platctl/platctl/internal/api/server"
)

// A picture is announced, sent, attached while it is worked on, shown with its post, and gone with it.
func TestPictureOfAPost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	anaUser, ana := r.Signup("ana")
	_, ben := r.Signup("ben")
	id := upload(t, ana, client.MediaPurposePost, "image/jpeg", mediatest.Turned(6, 1200, 900))
	second := upload(t, ana, client.MediaPurposePost, "image/png", mediatest.PNG(mediatest.Faded(300, 200)))
	post, err := ana.CreatePost(ctx, &client.CreatePostRequest{Body: "Plums.", Media: []client.MediaId{second, id}})
	if err != nil {
		t.Fatal(err)
	}
	var events int
	if err := r.Pool.QueryRow(ctx, "select count(*) from app_events where kind = 'media_attached' and payload->>'target' = 'post'").Scan(&events); err != nil || events != 2 {
		t.Errorf("%d events, %v; want one for each picture", events, err)
	}
	m := ready(t, ana, id)
	ready(t, ana, second)
	if len(m.Sizes) != 3 || m.Sizes[0].Width != 1200 || m.Sizes[0].Height != 900 || m.Sizes[1].Width != 800 || m.Sizes[2].Width != 200 {
		t.Errorf("sizes %+v", m.Sizes)
	}
	if _, err := ben.FollowUser(ctx, client.FollowUserParams{ID: anaUser.User.ID}); err != nil {
		t.Fatal(err)
	}
	seen, err := ben.GetPost(ctx, client.GetPostParams{ID: post.Data.ID})
	if err != nil || len(seen.Data.Pictures) != 2 || seen.Data.Pictures[0].ID != second || seen.Data.Pictures[1].ID != id {
		t.Fatalf("post %+v, %v", seen, err)
	}
	feed, err := ben.ListFeed(ctx, client.ListFeedParams{})
	if err != nil || len(feed.Data) != 1 || len(feed.Data[0].Pictures) != 2 || feed.Data[0].Pictures[1].Sizes[2] != m.Sizes[2] {
		t.Fatalf("feed %+v, %v", feed, err)
	}
	code, data, header := r.fetch(m.Sizes[1].URL)
	shown, err := mediatest.Decode(data)
	if err != nil || code != http.StatusOK || !mediatest.Upright(shown) || shown.Bounds().Dx() != 800 {
		t.Errorf("%s: %d, %d bytes, %v", m.Sizes[1].URL, code, len(data), err)
	}
	if csp := header.Get("Content-Security-Policy"); csp != "sandbox; default-src 'none'" || !strings.Contains(header.Get("Cache-Control"), "immutable") {
		t.Errorf("headers %v", header)
	}
	if err := ana.DeletePost(ctx, client.DeletePostParams{ID: post.Data.ID}); err != nil {
		t.Fatal(err)
	}
	r.exec("update media set created_at = now() - interval '25 hours'")
	if c, err := r.desk(media.Timing{}).CleanUp(ctx, false); err != nil || c.Unused != 2 || c.Blobs != 2 {
		t.Errorf("cleaned %+v, %v", c, err)
	}
	if code, _, _ := r.fetch(m.Sizes[1].URL); code != http.StatusNotFound {
		t.Errorf("the picture of a deleted post answers %d", code)
	}
	if left := append(r.objects(store.Public), r.objects(store.Staging)...); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	r.counted("ready", 2)
}

// An avatar appears on the profile when it is ready, is replaced by another, and removed.
func TestAvatar(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	ana, c := r.Signup("ana")
	set := func(avatar client.OptNilString) *client.ProfileResponse {
		p, err := c.UpdateMe(ctx, &client.UpdateMeRequest{Avatar: avatar})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	var ids []client.MediaId
	for _, side := range []int{300, 100} {
		id := upload(t, c, client.MediaPurposeAvatar, "image/jpeg", jpeg(side, side))
		ready(t, c, id)
		p := set(client.NewOptNilString(string(id)))
		if p.Data.Avatar.Value.ID != id || p.Data.Avatar.Value.Sizes[0].Width != int32(side) {
			t.Errorf("avatar %+v", p.Data.Avatar)
		}
		set(client.NewOptNilString(string(id))) // the same again is the same
		ids = append(ids, id)
	}
	seen, err := r.Client("").GetUser(ctx, client.GetUserParams{ID: ana.User.ID})
	if err != nil || seen.Data.Avatar.Value.ID != ids[1] {
		t.Errorf("profile %+v, %v", seen, err)
	}
	if err := c.DeleteMedia(ctx, client.DeleteMediaParams{ID: ids[1]}); err != nil {
		t.Fatal(err)
	}
	if p := set(client.OptNilString{}); !p.Data.Avatar.Null {
		t.Errorf("a deleted picture is still the avatar: %+v", p.Data.Avatar)
	}
	set(client.NewOptNilString(string(ids[0])))
	var null client.OptNilString
	null.SetToNull()
	if p := set(null); !p.Data.Avatar.Null {
		t.Errorf("avatar %+v", p.Data.Avatar)
	}
	var n int
	err = r.Pool.QueryRow(ctx, "select count(*) from app_events where kind = 'media_attached' and payload->>'target' = 'avatar'").Scan(&n)
	if err != nil || n != 3 {
		t.Errorf("%d events, %v; want 3: the same again is none", n, err)
	}
}

// A product has pictures in an order that its farm decides: new ones of whoever asks, and those it has. They go when it is archived.
func TestPicturesOfAProduct(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	_, ana := r.Signup("ana")
	ben, helper := r.Signup("ben")
	_, stranger := r.Signup("carl")
	farm, err := ana.CreateFarm(ctx, &client.CreateFarmRequest{Name: "Hill Orchard"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ana.SetFarmMember(ctx, &client.SetFarmMemberRequest{Role: client.FarmRoleMember}, client.SetFarmMemberParams{ID: farm.Data.ID, User: ben.User.ID})
	if err != nil {
		t.Fatal(err)
	}
	product, err := ana.CreateProduct(ctx, &client.CreateProductRequest{Name: "Plums", Category: "fruit", Price: 300, Unit: "kg"}, client.CreateProductParams{ID: farm.Data.ID})
	if err != nil {
		t.Fatal(err)
	}
	set := func(c *client.Client, ids ...client.MediaId) (*client.ProductResponse, error) {
		return c.SetProductPictures(ctx, &client.SetProductPicturesRequest{Media: ids}, client.SetProductPicturesParams{ID: product.Data.ID})
	}
	ripe := ready(t, ana, upload(t, ana, client.MediaPurposeProduct, "image/jpeg", jpeg(300, 200)))
	tree := ready(t, helper, upload(t, helper, client.MediaPurposeProduct, "image/jpeg", jpeg(301, 200)))
	post := ready(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(302, 200)))
	if _, err := set(ana, ripe.ID); err != nil {
		t.Fatal(err)
	}
	if p, err := set(helper, tree.ID, ripe.ID); err != nil || len(p.Data.Pictures) != 2 || p.Data.Pictures[0].ID != tree.ID {
		t.Errorf("%+v, %v", p, err)
	}
	for name, try := range map[string]func() error{
		"400 media_not_usable": func() error { _, err := set(ana, ripe.ID, post.ID); return err },
		"403 not_a_member":     func() error { _, err := set(stranger, ripe.ID); return err },
	} {
		if err := try(); refusal(err) != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
	if _, err := set(ana, ripe.ID, ripe.ID); refusal(err) != "400 media_not_usable" {
		t.Errorf("twice: %v", err)
	}
	list, err := r.Client("").ListProducts(ctx, client.ListProductsParams{})
	if err != nil || len(list.Data) != 1 || len(list.Data[0].Pictures) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	var events int
	if err := r.Pool.QueryRow(ctx, "select count(*) from app_events where kind = 'media_attached' and payload->>'target' = 'product'").Scan(&events); err != nil || events != 2 {
		t.Errorf("%d events, %v; want one for each picture", events, err)
	}
	r.exec("update media set created_at = now() - interval '25 hours'")
	desk := r.desk(media.Timing{})
	if c, err := desk.CleanUp(ctx, false); err != nil || c.Unused != 1 {
		t.Errorf("cleaned %+v, %v; want the one of no post", c, err)
	}
	if err := ana.ArchiveProduct(ctx, client.ArchiveProductParams{ID: product.Data.ID}); err != nil {
		t.Fatal(err)
	}
	if c, err := desk.CleanUp(ctx, false); err != nil || c.Unused != 2 {
		t.Errorf("cleaned %+v, %v; want those of the archived product", c, err)
	}
}

// An export tells every picture, what it is attached to and where it is shown; a purge takes them all, with their files.
func TestExportAndPurge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	_, ana := r.Signup("ana")
	shown := ready(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(300, 200)))
	broken := settled(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(600, 400)[:5000]))
	announce(t, ana, client.MediaPurposeAvatar, "image/png", 100)
	post, err := ana.CreatePost(ctx, &client.CreatePostRequest{Body: "Plums.", Media: []client.MediaId{shown.ID}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := ana.ExportMe(ctx, &client.ExportRequest{CurrentPassword: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := io.ReadAll(out.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"id":"` + string(shown.ID) + `","purpose":"post","contentType":"image/jpeg"`, `"post":"` + string(post.Data.ID) + `"`,
		`"url":"` + shown.Sizes[0].URL + `"`, `"id":"` + string(broken.ID), `"state":"failed","failure":"corrupt"`, `"purpose":"avatar"`, `"state":"awaiting"`,
	} {
		if !strings.Contains(string(lines), want) {
			t.Errorf("the export lacks %s:\n%s", want, lines)
		}
	}
	r.exec("update users set deleted_at = now(), purge_at = now()")
	if err := purge.New(purge.Options{DB: r.Pool, Log: r.opts.Log}).Due(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.desk(media.Timing{}).CleanUp(ctx, false); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := r.Pool.QueryRow(ctx, "select (select count(*) from media) + (select count(*) from media_blobs)").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows are left, %v", rows, err)
	}
	if left := append(r.objects(store.Public), r.objects(store.Staging)...); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// What can't be attached is refused by its place in the request, and nothing is written.
func TestWhatCanNotBeAttached(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	_, ana := r.Signup("ana")
	_, ben := r.Signup("ben")
	good := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(30, 20))
	used := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(31, 20))
	if _, err := ana.CreatePost(ctx, &client.CreatePostRequest{Body: "Plums.", Media: []client.MediaId{used}}); err != nil {
		t.Fatal(err)
	}
	broken := upload(t, ana, client.MediaPurposePost, "image/jpeg", jpeg(600, 400)[:5000])
	if m := settled(t, ana, broken); m.Failure.Value.Code != client.MediaFailureCodeCorrupt {
		t.Fatalf("%+v", m)
	}
	for name, ids := range map[string][]client.MediaId{
		"somebody else's": {good, upload(t, ben, client.MediaPurposePost, "image/jpeg", jpeg(32, 20))},
		"for an avatar":   {good, upload(t, ana, client.MediaPurposeAvatar, "image/jpeg", jpeg(33, 20))},
		"never sent":      {good, announce(t, ana, client.MediaPurposePost, "image/jpeg", 10)},
		"attached":        {good, used}, "the same twice": {good, good}, "broken": {good, broken}, "nobody's": {good, "media_11111111111"},
	} {
		_, err := ana.CreatePost(ctx, &client.CreatePostRequest{Body: "Pears.", Media: ids})
		var p *client.ProblemStatusCode
		if !errors.As(err, &p) || refusal(err) != "400 media_not_usable" || len(p.Response.Errors) != 1 || p.Response.Errors[0].Field != "body.media[1]" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ana.UpdateMe(ctx, &client.UpdateMeRequest{Bio: client.NewOptString("x"), Avatar: client.NewOptNilString(string(ids[0]))}); refusal(err) != "400 media_not_usable" {
			t.Errorf("avatar: %v", err)
		}
	}
	me, err := ana.GetMe(ctx)
	if err != nil || me.Data.PostCount != 1 || me.Data.Bio != "" {
		t.Errorf("written all the same: %+v, %v", me, err)
	}
	if _, err := ana.CreatePost(ctx, &client.CreatePostRequest{Body: "Pears.", Media: []client.MediaId{good}}); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// The same bytes are kept once for their owner, under one name; somebody else's have another. Each picture is deleted alone, and the
// objects go with the last.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, ana := r.Signup("ana")
	_, ben := r.Signup("ben")
	data := jpeg(400, 300)
	first := ready(t, ana, upload(t, ana, client.MediaPurposePost, "image/jpeg", data))
	second := ready(t, ana, upload(t, ana, client.MediaPurposeAvatar, "image/jpeg", data))
	others := ready(t, ben, upload(t, ben, client.MediaPurposePost, "image/jpeg", data))
	if first.ID == second.ID || !slices.Equal(first.Sizes, second.Sizes) || first.Sizes[0].URL == others.Sizes[0].URL {
		t.Errorf("%+v\n%+v\n%+v", first.Sizes, second.Sizes, others.Sizes)
	}
	for i, m := range []client.Media{first, second} {
		if err := ana.DeleteMedia(t.Context(), client.DeleteMediaParams{ID: m.ID}); err != nil {
			t.Fatal(err)
		}
		if code, _, _ := r.fetch(m.Sizes[0].URL); i == 0 && code != http.StatusOK {
			t.Errorf("the picture that is left answers %d", code)
		}
	}
	eventually(t, "the objects to go", func() bool { return len(r.objects(store.Public)) == len(others.Sizes) })
	eventually(t, "the uploads to go", func() bool { return len(r.objects(store.Staging)) == 0 })
}

// Every sample of the corpus, through the API and a real child: those that are bad get their code, at the door or later, and count;
// the others are shown without a trace of where they came from.
func TestCorpus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, c := r.Signup("ana")
	want := map[string]int{}
	for _, s := range mediatest.Corpus() {
		want[s.Want]++
		id := announce(t, c, client.MediaPurposePost, s.Type, len(s.Data))
		if _, err := send(t.Context(), c, id, s.Data); err != nil {
			if got := refusal(err); got != "415 "+s.Want {
				t.Errorf("%s: %s, want %s", s.Name, got, s.Want)
			}
			continue
		}
		m := settled(t, c, id)
		if string(m.Failure.Value.Code) != s.Want {
			t.Errorf("%s: %s %+v, want %q", s.Name, m.State, m.Failure, s.Want)
		}
		for _, size := range m.Sizes {
			code, data, _ := r.fetch(size.URL)
			if _, err := mediatest.Decode(data); err != nil || code != http.StatusOK || bytes.Contains(data, []byte(mediatest.Latitude)) || bytes.Contains(data, []byte("script")) {
				t.Errorf("%s: %s: %d, %v", s.Name, size.URL, code, err)
			}
		}
	}
	delete(want, "")
	for code, n := range want {
		r.counted(code, n)
	}
	if left := r.objects(store.Staging); len(left) != 0 {
		t.Errorf("uploads that nobody needs: %v", left)
	}
	if log := string(r.Log()); strings.Contains(log, `"panic"`) || strings.Contains(log, `"code":"internal"`) {
		t.Errorf("log: %s", log)
	}
}

// A form announces and sends in one, and leaves nothing announced when that fails.
func TestForm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, c := r.Signup("ana")
	big := mediatest.PNG(mediatest.Photo(1200, 900)) // more than is kept in memory
	for _, data := range [][]byte{jpeg(40, 30), big} {
		m, err := c.CreateMedia(t.Context(), form("plum.jpg", http.DetectContentType(data), data))
		if err != nil {
			t.Fatal(err)
		}
		if m.Data.State == client.MediaStateAwaiting || m.Data.Size != int64(len(data)) {
			t.Errorf("%+v", m.Data)
		}
		ready(t, c, m.Data.ID)
	}
	for name, f := range map[string]*client.CreateMediaFormMultipart{
		"415 unsupported_type": form("x.svg", "image/svg+xml", []byte("<svg>")),
		"415 type_mismatch":    form("x.png", "image/png", jpeg(10, 10)),
		"400 size_mismatch":    form("x.gif", "image/gif", nil),
		"413 too_large":        form("x.jpg", "image/jpeg", make([]byte, 10<<20+1)),
	} {
		if _, err := c.CreateMedia(t.Context(), f); refusal(err) != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
	var n int
	if err := r.Pool.QueryRow(t.Context(), "select count(*) from media").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d pictures, %v; want 2", n, err)
	}
}

// What is wrong with an announcement or an upload is said at once, and a second try is possible.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *server.Options) {
		o.Media.Limits = media.Limits{Bytes: 20_000, AccountFiles: 5, AccountBytes: 40_000}
	})
	ctx := t.Context()
	_, c := r.Signup("ana")
	_, stranger := r.Signup("ben")
	for want, req := range map[string]*client.CreateMediaRequest{
		"415 unsupported_type": {ContentType: "image/heic", Size: 10, Purpose: client.MediaPurposePost},
		"413 too_large":        {ContentType: "image/png", Size: 20_001, Purpose: client.MediaPurposePost},
	} {
		if _, err := c.CreateMedia(ctx, req); refusal(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	data := jpeg(60, 40)
	id := announce(t, c, client.MediaPurposePost, "image/jpeg", len(data))
	try := func(want string, c *client.Client, id client.MediaId, data []byte) {
		t.Helper()
		if _, err := send(ctx, c, id, data); refusal(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	try("404 not_found", stranger, id, data)
	try("404 not_found", c, "media_11111111111", data)
	try("401 no_token", r.Client(""), id, data)
	try("400 size_mismatch", c, id, nil)
	try("400 size_mismatch", c, id, data[:len(data)-1])
	try("413 too_large", c, id, append(bytes.Clone(data), 0))
	try("413 too_large", c, id, append(bytes.Clone(data), make([]byte, 200_000)...))
	try("<nil>", c, id, data)
	try("<nil>", c, id, data) // the answer may have got lost
	try("409 already_uploaded", c, id, append(bytes.Clone(data[:len(data)-1]), data[len(data)-1]^1))
	if _, err := stranger.GetMedia(ctx, client.GetMediaParams{ID: id}); refusal(err) != "404 not_found" {
		t.Errorf("a stranger sees it: %v", err)
	}
	for range 3 {
		announce(t, c, client.MediaPurposePost, "image/jpeg", 10_000)
	}
	more := func(want string, size int64) {
		t.Helper()
		if _, err := c.CreateMedia(ctx, &client.CreateMediaRequest{ContentType: "image/jpeg", Size: size, Purpose: client.MediaPurposePost}); refusal(err) != want {
			t.Errorf("%d bytes more: %v, want %s", size, err, want)
		}
	}
	more("409 media_quota", 10_000)
	more("<nil>", 10)
	more("409 media_quota", 10) // a sixth picture
	r.counted("too_large", 3)
}

// The spec, the domain and docs/media.md name the same codes.
func TestCodes(t *testing.T) {
	t.Parallel()
	var spec []string
	for _, c := range (client.MediaFailureCode("")).AllValues() {
		spec = append(spec, string(c))
	}
	var ours []string
	for _, c := range picture.Codes() {
		ours = append(ours, string(c))
	}
	if !slices.Equal(spec, ours) {
		t.Errorf("spec %v\nours %v", spec, ours)
	}
	page, err := os.ReadFile("../../../docs/media.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ours {
		if !strings.Contains(string(page), "\n| `"+c+"` |") {
			t.Errorf("docs/media.md does not say what to do about %s", c)
		}
	}
}
