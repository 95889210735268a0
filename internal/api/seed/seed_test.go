package seed_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/retention"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/api/verify"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// The content of two datasets. A change asks for a new seed.Generator: other people's figures name theirs.
const (
	demoHash  = "a0e2cba0b52b63671c8779ad455735c2"
	smallHash = "c1ba76e108e84ba6112b205fcb527071"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

type fastHasher struct{}

func (fastHasher) Hash(context.Context, string) (string, error) { return "unused", nil }

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), url, "seed test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func options(t testing.TB, scale string) seed.Options {
	t.Helper()
	s, err := seed.ScaleNamed(scale)
	if err != nil {
		t.Fatal(err)
	}
	return seed.Options{Scale: s, Seed: 1, Hasher: fastHasher{}, Now: time.Now()}
}

// The same scale and seed is the same dataset, on every day; another seed is another one.
func TestDatasetsAreDeterministic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scale string
		seed  int64
		now   time.Time
		want  string
	}{
		{"demo", 1, time.Now(), demoHash},
		{"demo", 1, time.Date(2020, 2, 29, 1, 2, 3, 4, time.UTC), demoHash},
		{"small", 1, time.Now(), smallHash},
		{"small", 2, time.Now(), ""},
	} {
		t.Run(c.scale, func(t *testing.T) {
			t.Parallel()
			o := options(t, c.scale)
			o.Seed, o.Now = c.seed, c.now
			res, err := seed.Run(t.Context(), connect(t, pgtest.New(t, apitest.Template(t))), o)
			if err != nil || (res.Hash == c.want) != (c.want != "") || res.Written == 0 {
				t.Fatalf("%+v, %v; want hash %q", res, err, c.want)
			}
			t.Logf("%+v", res)
		})
	}
}

// TestProcess is the seeding that the next test kills: it prints a line for each chunk.
func TestProcess(t *testing.T) {
	url := os.Getenv("PLATCTL_TEST_SEED")
	if url == "" {
		t.Skip("runs only inside TestKilledRunGoesOn")
	}
	o := options(t, "small")
	o.OnProgress = func(p seed.Progress) { fmt.Println(p.Doing, p.Rows) }
	if _, err := seed.Run(t.Context(), connect(t, url), o); err != nil {
		t.Fatal(err)
	}
}

// Killed in the middle, and then interrupted, the third run ends with the dataset of an undisturbed one.
func TestKilledRunGoesOn(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
	cmd.Env = append(os.Environ(), "PLATCTL_TEST_SEED="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 4 {
		if !lines.Scan() {
			t.Fatal("the seeding ended early")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	conn := connect(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t, "small")
	o.OnProgress = func(seed.Progress) { cancel() }
	if res, err := seed.Run(ctx, conn, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v; want an interruption", res, err)
	}
	res, err := seed.Run(t.Context(), connect(t, url), options(t, "small"))
	if err != nil || !res.Resumed || res.Hash != smallHash {
		t.Fatalf("%+v, %v", res, err)
	}
	again, err := seed.Run(t.Context(), connect(t, url), options(t, "small"))
	if err != nil || again.Written != 0 || again.Hash != smallHash {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

// Cut off after the first chunk, the next run goes on too.
func TestCutOffEarly(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t, "demo")
	o.OnProgress = func(seed.Progress) { cancel() }
	if res, err := seed.Run(ctx, connect(t, url), o); !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v", res, err)
	}
	if res, err := seed.Run(t.Context(), connect(t, url), options(t, "demo")); err != nil || !res.Resumed || res.Hash != demoHash {
		t.Errorf("%+v, %v", res, err)
	}
}

// A dataset that people have changed is not said to be all there. What came to it under ids of its own is not counted.
func TestChangedDataset(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, apitest.Template(t)))
	res, err := seed.Run(t.Context(), conn, options(t, "demo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sql  string
		want []seed.Difference
	}{
		{"insert into users (handle, display_name, password_hash) values ('new', 'New', 'x'); insert into posts (author_id, body) values (13, 'x')", nil},
		{"delete from likes where ctid = (select min(ctid) from likes)", []seed.Difference{{Table: "likes", Seeded: res.Rows["likes"], Now: res.Rows["likes"] - 1}}},
		{"insert into follows values (2, 13)", []seed.Difference{
			{Table: "follows", Seeded: res.Rows["follows"], Now: res.Rows["follows"] + 1}, {Table: "likes", Seeded: res.Rows["likes"], Now: res.Rows["likes"] - 1}}},
	} {
		if _, err := conn.Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		again, err := seed.Run(t.Context(), conn, options(t, "demo"))
		if err != nil || !slices.Equal(again.Differs, c.want) || again.Written != 0 || again.Hash != demoHash {
			t.Errorf("%+v, %v; want %v", again, err, c.want)
		}
	}
}

// The record of an earlier release has no counts; its dataset is named all the same.
func TestRecordOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, apitest.Template(t)))
	if _, err := seed.Run(t.Context(), conn, options(t, "demo")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "alter table platctl.seed drop column rows; update platctl.seed set generator = 2"); err != nil {
		t.Fatal(err)
	}
	_, err := seed.Run(t.Context(), conn, options(t, "demo"))
	must(t, err, fault.Refused, "demo-1-v2")
	o := options(t, "demo")
	o.Erase = true
	if res, err := seed.Run(t.Context(), conn, o); err != nil || res.Hash != demoHash {
		t.Errorf("%+v, %v", res, err)
	}
}

// Data of others stays, unless its loss is asked for by name.
func TestForeignDataIsRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, apitest.Template(t)))
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("insert into users (handle, display_name, password_hash) values ('real', 'Real', 'x')")
	_, err := seed.Run(t.Context(), conn, options(t, "demo"))
	must(t, err, fault.Refused, "no seeding has written")
	if ok, err := seed.Demo(t.Context(), conn, fastHasher{}, nil); ok || err != nil {
		t.Errorf("Demo = %v, %v", ok, err)
	}
	o := options(t, "demo")
	o.Erase = true
	if res, err := seed.Run(t.Context(), conn, o); err != nil || res.Hash != demoHash {
		t.Fatalf("%+v, %v", res, err)
	}
	_, err = seed.Run(t.Context(), conn, options(t, "small"))
	must(t, err, fault.Refused, "demo-1-v3")
	exec("insert into users (handle, display_name, password_hash) values ('newcomer', 'New', 'x')")
	if n := count(t, conn, "select id from users where handle = 'newcomer'"); n != 13 {
		t.Errorf("a newcomer got id %d; want the one after the dataset", n)
	}
	exec("truncate users, farms cascade")
	if ok, err := seed.Demo(t.Context(), conn, fastHasher{}, nil); !ok || err != nil {
		t.Errorf("Demo after truncate = %v, %v", ok, err)
	}
	_, err = seed.Run(t.Context(), connect(t, pgtest.Empty(t)), options(t, "demo"))
	must(t, err, fault.Unavailable, "has not the tables")
}

// A second seeding waits for a while, and then says who is at it.
func TestOnlyOneSeeds(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	other := connect(t, url)
	started, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	o := options(t, "demo")
	o.OnProgress = func(p seed.Progress) {
		if p.Doing == "vacuuming" {
			close(started)
			<-free
		}
	}
	conn := connect(t, url)
	go func() { _, err := seed.Run(t.Context(), conn, o); done <- err }()
	<-started
	_, err := seed.Run(t.Context(), other, options(t, "demo"))
	must(t, err, fault.Busy, "seed test")
	close(free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// What the benchmarks and docs/indexes.md rely on: the four viewers, and rows that agree with each other.
func TestDatasetIsConsistent(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, apitest.Template(t)))
	if _, err := seed.Run(t.Context(), conn, options(t, "small")); err != nil {
		t.Fatal(err)
	}
	followed := "select count(*) from follows f join users v on v.id = f.follower_id where v.handle = "
	posts := "select count(*) from posts p join follows f on f.followee_id = p.author_id join users v on v.id = f.follower_id where v.handle = "
	for _, c := range []struct {
		sql      string
		min, max int64
	}{
		{followed + "'viewer_300'", 300, 300}, {followed + "'viewer_rare'", 50, 50},
		{followed + "'viewer_2000'", 497, 497}, {followed + "'viewer_silent'", 50, 50}, {followed + "'demo'", 100, 100},
		{posts + "'viewer_300'", 9000, 20000}, {posts + "'viewer_rare'", 50, 400}, {posts + "'viewer_silent'", 0, 0},
		{"select max(n) from (select count(*) n from posts group by author_id) x", 1500, 5000},
		{"select max(n) from (select count(*) n from follows group by followee_id) x", 500, 995},
		{"select count(*) from post_stats s where like_count <> (select count(*) from likes l where l.post_id = s.post_id) " +
			"or comment_count <> (select count(*) from comments c where c.post_id = s.post_id)", 0, 0},
		{"select count(*) from follows f join hidden h on h.viewer_id = f.follower_id and h.other_id = f.followee_id", 0, 0},
		{"select count(*) from notifications where recipient_id = actor_id", 0, 0},
		{"select count(*) from (select created_at < lag(created_at) over (order by id) bad from notifications) x where bad", 0, 0},
		{"select count(*) from notifications where created_at < now() - interval '61 days'", 0, 0},
		{"select count(*) from farms f where not exists (select 1 from farm_members m where m.farm_id = f.id and m.role = 'owner')", 0, 0},
		{"select count(*) from order_lines l join products p on p.id = l.product_id join orders o on o.id = l.order_id " +
			"where p.farm_id <> o.farm_id or p.price <> l.price or p.name <> l.name or p.currency <> o.currency", 0, 0},
		{"select max(n) from (select count(*) n from orders group by farm_id) x", 600, 1200},
		{"select max(n) from (select count(*) n from orders group by buyer_id) x", 300, 900},
		{"select count(*) from orders where status = 'placed'", 5, 100},
		{"select count(*) from orders where status = 'cancelled'", 200, 450},
		{"select count(*) from (select created_at < lag(created_at) over (partition by order_id order by id) bad from order_events) x where bad", 0, 0},
		{"select count(*) from post_pictures", 300, 500},
		{"select count(*) from product_pictures", 900, 1100},
		{"select count(*) from avatar_pictures", 150, 250},
		{"select count(*) from media m where not exists (select 1 from media_blobs b where b.id = m.blob_id)", 0, 0},
		{"select count(*) from cart_items c join users u on u.id = c.user_id where u.handle = 'viewer_300'", 60, 60},
	} {
		if n := count(t, conn, c.sql); n < c.min || n > c.max {
			t.Errorf("%d, want %d to %d: %s", n, c.min, c.max, c.sql)
		}
	}
}

// What a server removes after a while is not in a dataset, nor a month later; otherwise its hash would soon be wrong.
func TestRetentionFindsNothing(t *testing.T) {
	t.Parallel()
	for _, scale := range []string{"demo", "small"} {
		t.Run(scale, func(t *testing.T) {
			t.Parallel()
			o := options(t, scale)
			o.Now = o.Now.Add(-29 * 24 * time.Hour)
			url := pgtest.New(t, apitest.Template(t))
			conn := connect(t, url)
			res, err := seed.Run(t.Context(), conn, o)
			if err != nil || res.Rows["notifications"] == 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			var log bytes.Buffer
			if err := retention.New(conn, slog.New(slog.NewTextHandler(&log, nil))).Apply(t.Context()); err != nil || log.Len() > 0 {
				t.Errorf("%v: %s", err, &log)
			}
			if n := count(t, conn, "select count(*) from notifications"); n != res.Rows["notifications"] {
				t.Errorf("%d notifications are left of %d", n, res.Rows["notifications"])
			}
		})
	}
}

// Every picture has its files and every file its picture; what the store loses comes back.
func TestPicturesHaveTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	local, err := store.NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	url := pgtest.New(t, apitest.Template(t))
	conn, o := connect(t, url), options(t, "demo")
	o.Store = local
	res, err := seed.Run(t.Context(), conn, o)
	if err != nil || res.Hash != demoHash || res.Files == 0 {
		t.Fatalf("%+v, %v; files or none, the dataset is the same", res, err)
	}
	kept := map[string]int64{}
	if err := local.List(t.Context(), store.Public, func(f store.Object) error { kept[f.Key] = f.Size; return nil }); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), `select 'public/' || b.key || '-' || greatest((s->>'w')::int, (s->>'h')::int) || '.webp', (s->>'bytes')::bigint
		from media_blobs b, jsonb_array_elements(b.sizes) s where b.state = 'ready'`)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]int64{}
	var name string
	var size int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &size}, func() error { wanted[name] = size; return nil }); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(kept, wanted) || len(kept) != res.Files {
		t.Errorf("the store has %v, the rows want %v", kept, wanted)
	}
	for _, sql := range []string{"select count(*) from post_pictures", "select count(*) from product_pictures", "select count(*) from avatar_pictures where user_id = 1"} {
		if n := count(t, conn, sql); n == 0 {
			t.Errorf("0: %s", sql)
		}
	}
	if rep, err := verify.Run(t.Context(), url, verify.Options{}); err != nil || rep.Drift != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if err := local.Delete(t.Context(), slices.Collect(maps.Keys(kept))[0]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if again, err := seed.Run(t.Context(), conn, o); err != nil || again.Files != want || again.Written != 0 {
			t.Errorf("%+v, %v; want %d files drawn again", again, err, want)
		}
	}
}

// A store that takes no bytes stops the seeding before a row speaks of a picture; the next run goes on.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	conn, o := connect(t, pgtest.New(t, apitest.Template(t))), options(t, "demo")
	o.Store = fullStore{}
	_, err := seed.Run(t.Context(), conn, o)
	must(t, err, fault.Unavailable, "no room")
	if n := count(t, conn, "select (select count(*) from users) + (select count(*) from media_blobs)"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	o.Store = nil
	if res, err := seed.Run(t.Context(), conn, o); err != nil || res.Hash != demoHash {
		t.Errorf("%+v, %v", res, err)
	}
}

type fullStore struct{ store.Store }

func (fullStore) Fetch(context.Context, string, io.Writer) error {
	return fault.New(fault.NotFound, "none")
}

func (fullStore) Put(context.Context, string, io.ReaderAt, int64) error {
	return fault.New(fault.Unavailable, "the store of pictures has no room")
}

func TestScaleNamed(t *testing.T) {
	t.Parallel()
	_, err := seed.ScaleNamed("huge")
	must(t, err, fault.Usage, "huge")
}

func count(t *testing.T, conn *pgx.Conn, sql string) int64 {
	t.Helper()
	var n int64
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func must(t *testing.T, err error, kind fault.Kind, part string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v; want %s with %q", err, kind, part)
	}
}
