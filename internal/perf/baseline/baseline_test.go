package baseline_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
	"github.com/platctl/platctl/internal/perf/baseline"
	"github.com/platctl/platctl/internal/perf/k6"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const feed = "GET /api/v1/feed"

// summary is the document that the extension's own test writes: 2,000 successes from 1.0 to 1.7 ms and 50 failures of
// 0.2 ms on the feed, 50 successes and a refused connection on the posts.
func summary(t testing.TB) *k6.Summary {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "xk6-ext", "testdata", "k6summary-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := k6.ParseSummary(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func plan() baseline.Plan {
	return baseline.Plan{
		Arrival: "constant", Rate: 100, DurationMS: 20_000, WarmupMS: 5000, Users: 8, Seed: 1, Rounds: 1,
		Scenarios: []baseline.Scenario{{Name: "feed_read", SHA256: strings.Repeat("ab", 32)}},
	}
}

func sample(t testing.TB) *baseline.Baseline {
	t.Helper()
	run, err := baseline.NewRun("feed_read", 1, plan(), summary(t))
	if err != nil {
		t.Fatal(err)
	}
	b := &baseline.Baseline{
		Schema: baseline.Schema().String(), Name: "main", Created: time.Date(2026, 11, 22, 12, 1, 0, 0, time.UTC),
		Target: baseline.Target{URL: "http://127.0.0.1:8080"},
		Tool:   baseline.Tool{Platctl: "1.2.3", Commit: "c0ffee", K6: "2.2.0", Extension: "0.1.0"},
		Env:    baseline.Env{OS: "linux", Arch: "amd64", CPUs: 2, Kernel: "6.1", CPUModel: "A & B <c>", MemoryBytes: 1 << 35},
		Plan:   plan(), Runs: []baseline.Run{run},
	}
	if b.Aggregate, err = baseline.Combine(b.Plan, b.Runs); err != nil {
		t.Fatal(err)
	}
	return b
}

func encoded(t testing.TB, b *baseline.Baseline) []byte {
	t.Helper()
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden pins the file byte for byte. The extension's tests read the same file.
func TestGolden(t *testing.T) {
	got := encoded(t, sample(t))
	golden.Check(t, filepath.Join("testdata", "perf-v1.json"), got, *update)
	b, err := baseline.Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(b, func() *baseline.Baseline { s := sample(t); encoded(t, s); return s }()) {
		t.Errorf("what was read is not what was written: %+v", b)
	}
}

func TestQuantilesNeedTenValuesBeyondThem(t *testing.T) {
	e := sample(t).Runs[0].Endpoints
	if q := e[feed].OK.Quantiles; len(q) != 4 || q["p50"] < 1300 || q["p50"] > 1400 || q["p99"] < 1680 || q["p99"] > 1701 {
		t.Errorf("2,000 values carry p50 to p99 and not p99.9: %v", q)
	}
	if q := e["POST /api/v1/posts"].OK.Quantiles; len(q) != 1 || q["p50"] == 0 {
		t.Errorf("50 values carry p50 alone: %v", q)
	}
	for n, want := range map[int]int{0: 0, 19: 0, 20: 1, 99: 1, 100: 2, 199: 2, 200: 3, 999: 3, 1000: 4, 9999: 4, 10_000: 5} {
		h := k6.NewHistogram()
		if n > 0 {
			if err := h.RecordValues(5, int64(n)); err != nil {
				t.Fatal(err)
			}
		}
		if l := baseline.LatencyOf(h); len(l.Quantiles) != want {
			t.Errorf("%d values: %v", n, l.Quantiles)
		}
	}
}

func TestNumbersOfARun(t *testing.T) {
	r := sample(t).Runs[0]
	e := r.Endpoints[feed]
	if !r.Valid || e.OK.RPS != 100 || e.ErrorRate != 0.02439 || r.Generator.Lag.MaxMicros < 400 || r.Generator.Lag.MaxMicros > 401 {
		t.Errorf("rps %v, error rate %v, lag %+v, %v", e.OK.RPS, e.ErrorRate, r.Generator.Lag, r.InvalidBecause)
	}
	if p := r.Endpoints["POST /api/v1/posts"]; p.ErrorRate != 0.019608 || p.ByError["1212"] != 1 {
		t.Errorf("%+v", p)
	}
}

func TestInvalidRunsSayWhy(t *testing.T) {
	for why, spoil := range map[string]func(*k6.Summary){
		"7 of 2000 requests could not start": func(s *k6.Summary) { s.Generator.Dropped = 7 },
		"k6 used 80.1 % of its 2 processors": func(s *k6.Summary) { s.Generator.CPUPercent = 80.1 },
		"k6 ended early: the script threw":   func(s *k6.Summary) { s.Complete, s.Error = false, "the script threw" },
		"only 51 of 2000 planned requests":   func(s *k6.Summary) { delete(s.Endpoints, feed) },
		"only 0 of 2000 planned requests":    func(s *k6.Summary) { clear(s.Endpoints) },
		"no request succeeded":               func(s *k6.Summary) { s.Endpoints = map[string]k6.Endpoint{"x": {Failed: k6.Outcome{N: 2000}}} },
	} {
		s := summary(t)
		spoil(s)
		r, err := baseline.NewRun("feed_read", 1, plan(), s)
		if err != nil {
			t.Fatal(err)
		}
		if r.Valid || !strings.Contains(strings.Join(r.InvalidBecause, "; "), why) {
			t.Errorf("%s: %v", why, r.InvalidBecause)
		}
	}
	s := summary(t)
	s.Generator.CPUPercent = 80
	if r, _ := baseline.NewRun("feed_read", 1, plan(), s); !r.Valid {
		t.Errorf("80 %% is allowed: %v", r.InvalidBecause)
	}
}

func TestAggregateAddsHistogramsOfValidRuns(t *testing.T) {
	one, err := baseline.NewRun("a", 1, plan(), summary(t))
	if err != nil {
		t.Fatal(err)
	}
	bad := one
	bad.Valid = false
	a, err := baseline.Combine(plan(), []baseline.Run{one, bad, one, one, one, one, one})
	if err != nil {
		t.Fatal(err)
	}
	e := a.Endpoints[feed]
	if a.Runs != 6 || e.OK != 12_000 || e.Failed != 300 || e.RPS != 100 || e.Quantiles["p99.9"] < 1690 {
		t.Errorf("%d runs: %+v", a.Runs, e)
	}
}

func TestDecodeNoticesEdits(t *testing.T) {
	data := encoded(t, sample(t))
	for old, now := range map[string]string{`"rps": 100`: `"rps": 101`, `"valid": true`: `"valid": false`, `"sha256:`: `"sha256:0`} {
		edited := strings.Replace(string(data), old, now, 1)
		if edited == string(data) {
			t.Fatalf("no %s", old)
		}
		if _, err := baseline.Decode([]byte(edited)); !errors.Is(err, fault.Invalid) || fault.From(err).Hint == "" {
			t.Errorf("%s: %v", now, err)
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	if _, err := baseline.Decode(compact.Bytes()); err != nil {
		t.Errorf("white space is no content: %v", err)
	}
}

// TestReadersMeetNeighbours: an older platctl reads what a newer one wrote, fields it does not know included.
func TestReadersMeetNeighbours(t *testing.T) {
	for version, ok := range map[string]bool{"v0": true, "v2": true, "v3": false} {
		b := sample(t)
		b.Schema = "platctl.perf/" + version
		var content map[string]any
		if err := json.Unmarshal(encoded(t, b), &content); err != nil {
			t.Fatal(err)
		}
		content["later"] = map[string]any{"added": []int{1}}
		data, err := baseline.Reseal(content)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := baseline.Decode(data); (err == nil) != ok {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestWriteReplacesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := baseline.Path(dir, "main")
	b := sample(t)
	for range 2 {
		if err := b.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := baseline.Read(path)
	if err != nil || got.ID != b.ID || !got.Valid() {
		t.Errorf("%+v %v", got, err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("left %v", files)
	}
	if err := b.Write(filepath.Dir(path)); !errors.Is(err, fault.Usage) {
		t.Errorf("a folder: %v", err)
	}
	if err := b.Write(filepath.Join(path, "below", "a.json")); !errors.Is(err, fault.Failed) {
		t.Errorf("below a file: %v", err)
	}
	if _, err := baseline.Read(filepath.Join(dir, "none")); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestNamesAndTargets(t *testing.T) {
	for name, ok := range map[string]bool{"main": true, "v1.2.3-rc_1": true, "": false, "../x": false, ".x": false, "A": false, "x.invalid": false} {
		if err := baseline.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	allowed := []string{"load.example.org"}
	for raw, want := range map[string]any{
		"http://127.0.0.1:8080/":         "http://127.0.0.1:8080",
		"http://LOCALHOST":               "http://LOCALHOST",
		"https://[::1]:1/base/":          "https://[::1]:1/base",
		"http://load.EXAMPLE.org":        "http://load.EXAMPLE.org",
		"http://10.0.0.1":                fault.Refused,
		"http://0.0.0.0":                 fault.Refused,
		"http://localhost.example.org":   fault.Refused,
		"http://127.0.0.1.example.org":   fault.Refused,
		"http://127.0.0.1@example.org/":  fault.Usage,
		"http://u:secret@127.0.0.1":      fault.Usage,
		"http://127.0.0.1/?token=secret": fault.Usage,
		"http://":                        fault.Usage,
		"127.0.0.1:8080":                 fault.Usage,
		"ftp://127.0.0.1":                fault.Usage,
		"http://127.0.0.1:port":          fault.Usage,
	} {
		got, err := baseline.CheckTarget(raw, allowed)
		if kind, bad := want.(fault.Kind); bad && !errors.Is(err, kind) || !bad && got != want {
			t.Errorf("%s: %q %v", raw, got, err)
		}
		if err != nil && strings.Contains(fault.From(err).Message+fault.From(err).Hint, "secret") {
			t.Errorf("%s: the message repeats it: %v", raw, err)
		}
	}
}

func TestReadEnvKeepsTheMachineNameless(t *testing.T) {
	e := baseline.ReadEnv(fstest.MapFS{
		"proc/sys/kernel/osrelease": {Data: []byte("6.1.0-1\n")},
		"proc/cpuinfo":              {Data: []byte("processor\t: 0\nmodel name\t: Some CPU: v2\nmodel name\t: other\n")},
		"proc/meminfo":              {Data: []byte("MemTotal:       16384 kB\n")},
		"sys/fs/cgroup/cpu.max":     {Data: []byte("200000 100000\n")},
		"etc/machine-id":            {Data: []byte("abc\n")},
	})
	if e.Kernel != "6.1.0-1" || e.CPUModel != "Some CPU: v2" || e.MemoryBytes != 16384<<10 || e.CgroupCPU != "200000 100000" {
		t.Errorf("%+v", e)
	}
	if len(e.Host) != 16 || strings.Contains(e.Host, "abc") || e.CPUs < 1 {
		t.Errorf("%+v", e)
	}
	if e := baseline.ReadEnv(fstest.MapFS{}); e.Kernel != "" || e.Host != "" || e.MemoryBytes != 0 {
		t.Errorf("a machine that says nothing: %+v", e)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, sample(f)))
	f.Add([]byte(`{"schema":"platctl.perf/v1","id":"","runs":[{"endpoints":{"x":{}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := baseline.Decode(data)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		if b.ID == "" {
			t.Error("accepted without an id")
		}
	})
}
