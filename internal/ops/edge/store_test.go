package edge

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sampleRoutes() []Route {
	since := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return []Route{
		{App: "market", Active: Target{"2-2.0.0", "/run/p/r2.sock"}, Standby: &Target{"1-1.0.0", "/run/p/r1.sock"}, Rejected: []string{"3-3.0.0"}, Token: 9, Since: since},
		{App: "preview", Host: "p.example", Active: Target{"1-0.1.0", "/run/p/p1.sock"}, Token: 1, Since: since},
	}
}

func TestRoutesGolden(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "routes.v1.json")
	path := filepath.Join(t.TempDir(), "routes.json")
	if err := (&store{path: path}).save(sampleRoutes()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(got) != string(want) {
		t.Fatalf("wrote\n%s\nthe format is\n%s (%v)", got, want, err)
	}
	routes, problems := (&store{path: golden}).load()
	if len(problems) != 0 || !reflect.DeepEqual(routes, sampleRoutes()) {
		t.Fatalf("read %+v, %v", routes, problems)
	}
}

func TestRoutesOfNeighbouringVersions(t *testing.T) {
	t.Parallel()
	for v, ok := range map[string]bool{"0": true, "1": true, "2": true, "3": false} {
		routes, _, _, err := parseRoutes([]byte(`{"schema":"platctl.routes/v` + v + `","more":1,"routes":{"a":{"app":"a","weight":5,"active":{"release":"1","socket":"/s","tls":true}}}}`))
		if (err == nil) != ok || (ok && len(routes) != 1) {
			t.Errorf("v%s: %v, %v", v, routes, err)
		}
	}
}

func TestOneBadEntryDropsNoOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "routes.json")
	text := `{"schema":"platctl.routes/v1","routes":{
		"a":{"app":"a","active":{"release":"1","socket":"/s"}},
		"b":{"app":"b","host":"b.example","active":"nonsense"},
		"c":{"app":"c","host":"c.example","active":{"release":"","socket":"/s"}},
		"d":{"app":"a","host":"d.example","active":{"release":"1","socket":"/s"}},
		"e":{"app":"e","active":{"release":"1","socket":"/s"}}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &store{path: path}
	routes, problems := s.load()
	if len(routes) != 1 || routes[0].App != "a" || len(problems) != 4 {
		t.Fatalf("%+v, %q", routes, problems)
	}
	if err := s.save(routes); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(after), "nonsense") {
		t.Fatalf("what could not be read was thrown away: %s, %v", after, err)
	}
}

func TestGarbageFallsBackToThePreviousCopy(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{"empty": "", "torn": `{"schema":"platctl.routes/v1","rou`, "binary": "\x00\x01", "other": `{"schema":"x/v1"}`} {
		path := filepath.Join(t.TempDir(), "routes.json")
		s := &store{path: path}
		if err := s.save(sampleRoutes()[:1]); err != nil {
			t.Fatal(err)
		}
		if err := s.save(sampleRoutes()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(garbage), 0o600); err != nil {
			t.Fatal(err)
		}
		s = &store{path: path}
		routes, problems := s.load()
		if len(routes) != 1 || len(problems) != 1 {
			t.Fatalf("%s: %+v, %q", name, routes, problems)
		}
		if err := s.save(routes); err != nil { // must not make the garbage the previous copy
			t.Fatal(err)
		}
		if prev, _ := os.ReadFile(durable.Previous(path)); string(prev) == garbage {
			t.Fatalf("%s: the good copy was replaced by the garbage", name)
		}
	}
	if routes, problems := (&store{path: filepath.Join(t.TempDir(), "none")}).load(); routes != nil || problems != nil {
		t.Fatalf("nothing stored: %v, %v", routes, problems)
	}
}

func TestRestartRestoresRoutes(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	r := startRig(t, dir)
	one, _ := release(t, dir, "1", says("one"))
	two, _ := release(t, dir, "2", says("two"))
	r.route(t, "", one, 1)
	r.route(t, "1", two, 2)
	r.stop()
	r = startRig(t, dir)
	if _, body, _ := get(t, r.url); body != "two" {
		t.Fatalf("got %q", body)
	}
	st, err := r.ctl.State(t.Context())
	if err != nil || st.Route("market").Token != 2 || st.Route("market").Standby.Release != "1" {
		t.Fatalf("%+v, %v", st, err)
	}
}

func FuzzParseRoutes(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "routes.v1.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"schema":"platctl.routes/v2","routes":{"":null,"a":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		routes, unread, bad, err := parseRoutes(data)
		if err != nil {
			return
		}
		if len(unread) != len(bad) {
			t.Fatalf("%d left out, %d explained", len(unread), len(bad))
		}
		table := newTable()
		for _, r := range routes {
			table.swap(r)
			if up := table.take(r.Host); up == nil || up.target != r.Active {
				t.Fatalf("route %+v is not in force", r)
			}
		}
	})
}
