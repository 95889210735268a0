package perf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/command/perf"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/perf/baseline"
	"github.com/platctl/platctl/internal/perf/perftest"
)

type answer struct {
	code     int
	out, err string
}

// platctl runs one command line with a k6 and a folder of its own.
func platctl(ctx context.Context, t *testing.T, dir string, stderr io.Writer, args ...string) answer {
	t.Helper()
	var out, conversation bytes.Buffer
	streams := &term.Streams{In: strings.NewReader(""), Out: &out, Err: io.MultiWriter(&conversation, stderr)}
	args = append([]string{"perf", "baseline", "--dir", dir}, args...)
	code := cli.Run(ctx, args, streams, nil)
	return answer{code, out.String(), conversation.String()}
}

func result(t *testing.T, a answer) (perf.BaselineResult, output.Envelope) {
	t.Helper()
	var data perf.BaselineResult
	e := output.Envelope{Data: &data}
	if err := json.Unmarshal([]byte(a.out), &e); err != nil {
		t.Fatalf("%v: %s%s", err, a.out, a.err)
	}
	return data, e
}

func TestBaselineIsStoredAndPrinted(t *testing.T) {
	t.Parallel()
	k6 := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	m, dir := (&perftest.Market{FailEach: 5}).Start(t), t.TempDir()
	args := []string{"--k6", k6, "--target", m.URL, "--rate", "30", "--duration", "2s", "--warmup", "1s", "--users", "2"}

	a := platctl(t.Context(), t, dir, io.Discard, append(args, "--json", "--name", "v1")...)
	res, e := result(t, a)
	if a.code != 0 || !e.OK || e.Schema != "platctl.perf.baseline/v1" || !res.Valid {
		t.Fatalf("exit %d: %s%s", a.code, a.out, a.err)
	}
	if len(res.Endpoints) != 2 || res.Endpoints[0].Endpoint != "GET /api/v1/feed" || res.Endpoints[1].Endpoint != "POST /api/v1/posts" {
		t.Fatalf("endpoints %+v", res.Endpoints)
	}
	read, post := res.Endpoints[0], res.Endpoints[1]
	if read.ErrorRate < 0.1 || read.ErrorRate > 0.3 || post.ErrorRate != 0 {
		t.Errorf("every fifth read failed and no post: %v, %v", read.ErrorRate, post.ErrorRate)
	}
	if read.P50 == nil || read.P99 != nil || read.RPS < 15 || post.RPS < 25 || read.Requests < 58 {
		t.Errorf("%+v", read)
	}
	b, err := baseline.Read(filepath.Join(dir, "baselines", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if res.File != filepath.Join(dir, "baselines", "v1.json") || b.ID != res.ID || b.Plan.Rate != 30 || b.Target.URL != m.URL {
		t.Errorf("%+v", b)
	}

	args[3] = (&perftest.Market{}).Start(t).URL
	a = platctl(t.Context(), t, dir, io.Discard, append(args, "--scenario", "post_create", "--out", filepath.Join(dir, "x.json"))...)
	want := "SCENARIO\tENDPOINT\tRPS\tP50\tP95\tP99\tERRORS\npost_create\tPOST /api/v1/posts\t"
	if a.code != 0 || !strings.HasPrefix(a.out, want) || !strings.Contains(a.out, "n too small\t0.00 %\n") {
		t.Errorf("exit %d: %q", a.code, a.out)
	}
	if _, err := baseline.Read(filepath.Join(dir, "x.json")); err != nil || !strings.Contains(a.err, "post_create: 1s warm-up") {
		t.Errorf("%v, %s", err, a.err)
	}
}

// TestAgainstTheRealAPI proves that scenarios and API speak the same language, twice: the second time the users exist.
func TestAgainstTheRealAPI(t *testing.T) {
	t.Parallel()
	k6 := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	api, dir := apitest.New(t), t.TempDir()
	for range 2 {
		a := platctl(t.Context(), t, dir, io.Discard, "--k6", k6, "--target", api.URL, "--rate", "10", "--duration", "2s", "--warmup", "0",
			"--users", "3", "--json")
		res, _ := result(t, a)
		if a.code != 0 || len(res.Endpoints) != 2 {
			t.Fatalf("exit %d: %s%s", a.code, a.out, a.err)
		}
		for _, e := range res.Endpoints {
			if e.ErrorRate != 0 || e.Requests < 19 {
				t.Errorf("%+v", e)
			}
		}
	}
	var users, follows int
	row := api.Pool.QueryRow(t.Context(), "select (select count(*) from users where handle like 'load1u%'), (select count(*) from follows)")
	if err := row.Scan(&users, &follows); err != nil || users != 3 || follows != 6 {
		t.Errorf("%d users, %d follows, %v", users, follows, err)
	}
}

// TestInvalidMeasurementLeavesTheBaselineAlone: a target that answers after 3 s can't serve 100 requests a second with the
// virtual users of that rate.
func TestInvalidMeasurementLeavesTheBaselineAlone(t *testing.T) {
	t.Parallel()
	k6 := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	m, dir := (&perftest.Market{OKDelay: 3 * time.Second, Fast: 1}).Start(t), t.TempDir()
	good := baseline.Path(dir, "main")
	if err := os.MkdirAll(filepath.Dir(good), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, []byte("the good one"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := platctl(t.Context(), t, dir, io.Discard, "--k6", k6, "--target", m.URL, "--rate", "100", "--duration", "2s", "--warmup", "0",
		"--users", "1", "--scenario", "feed_read", "--json")
	res, e := result(t, a)
	if a.code != 7 || e.OK || e.Error == nil || e.Error.Kind != "inconclusive" || res.Valid || len(res.InvalidBecause) == 0 {
		t.Fatalf("exit %d: %s%s", a.code, a.out, a.err)
	}
	if !strings.Contains(res.InvalidBecause[0], "could not start on schedule") {
		t.Errorf("because %v", res.InvalidBecause)
	}
	b, err := baseline.Read(baseline.InvalidPath(good))
	if err != nil || b.Valid() || res.File != baseline.InvalidPath(good) || b.Runs[0].Generator.Dropped == 0 {
		t.Errorf("%+v %v", b, err)
	}
	if text, _ := os.ReadFile(good); string(text) != "the good one" {
		t.Errorf("the baseline became %.60q", text)
	}
}

func TestInterruptedMeasurementStoresNothing(t *testing.T) {
	t.Parallel()
	k6 := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	m, dir := (&perftest.Market{}).Start(t), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := platctl(ctx, t, dir, onWrite(cancel), "--k6", k6, "--target", m.URL, "--users", "1", "--warmup", "0", "--duration", "5m")
	if a.code != 130 || !strings.Contains(a.err, "nothing was stored") {
		t.Errorf("exit %d: %s", a.code, a.err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = errors.New("left " + path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }

func TestRefusals(t *testing.T) {
	t.Parallel()
	k6 := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	busy := (&perftest.Market{NotReady: true}).Start(t)
	dir := t.TempDir()
	for line, want := range map[string]answer{
		"--target http://192.0.2.1":                 {code: 4, err: "--allow-host 192.0.2.1"},
		"--target http://127.0.0.1:1":               {code: 6, err: "platctl serve --dev"},
		"--target " + busy.URL:                      {code: 6, err: "answers 503"},
		"--target " + busy.URL + " --scenario nope": {code: 2, err: "feed_read, post_create"},
		"--target nonsense":                         {code: 2, err: "no http or https URL"},
		"--k6 /nonexistent/k6":                      {code: 6, err: "make k6"},
		"--rate 0":                                  {code: 2, err: "--rate"},
		"--rate -5":                                 {code: 2, err: "--rate"},
		"--users 0":                                 {code: 2, err: "--users"},
		"--seed -1":                                 {code: 2, err: "--seed"},
		"--duration 999ms":                          {code: 2, err: "--duration"},
		"--duration 2562047h":                       {code: 2, err: "access tokens"},
		"--warmup 1ms":                              {code: 2, err: "--warmup"},
		"--duration forever":                        {code: 2, err: "--help"},
		"--name ../../etc/passwd":                   {code: 2, err: "no name for a baseline"},
		"--out " + dir:                              {code: 2, err: "is a folder"},
		"--out /dev/null/x.json":                    {code: 1, err: "can't be made"},
		"stray":                                     {code: 2, err: "takes no argument"},
	} {
		args := strings.Fields(line)
		if !strings.Contains(line, "--k6") {
			args = append(args, "--k6", k6)
		}
		a := platctl(t.Context(), t, dir, io.Discard, args...)
		if a.code != want.code || !strings.Contains(a.err, want.err) || a.out != "" {
			t.Errorf("%s: exit %d, %q %q", line, a.code, a.out, a.err)
		}
	}
}
