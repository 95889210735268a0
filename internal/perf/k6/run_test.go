package k6_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/perf/k6"
	"github.com/platctl/platctl/internal/perf/perftest"
)

func ours(t *testing.T) *k6.Binary {
	t.Helper()
	b, err := k6.Find(t.Context(), perftest.K6(t, os.Getenv("PLATCTL_TEST_K6")), "")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func scenario(t *testing.T, b *k6.Binary, name string) []byte {
	t.Helper()
	src, err := b.Scenario(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// TestMeasuredIsWhatHappened runs the real k6. The server answers warm-up and setup at once, fails some of the measured
// requests at once and takes 20 ms for each that succeeds: a single faster success would prove a leak.
func TestMeasuredIsWhatHappened(t *testing.T) {
	t.Parallel()
	b := ours(t)
	const rate, measured = 40, 120 // 3 s
	m := (&perftest.Market{OKDelay: 20 * time.Millisecond, Fast: 1 + rate, FailEach: 4, CutEach: 7}).Start(t)
	var seen k6.Progress
	s, err := b.Run(t.Context(), k6.Run{
		Script:   scenario(t, b, "feed_read"),
		Env:      map[string]string{"BASE_URL": m.URL, "RATE": fmt.Sprint(rate), "WARMUP": "1s", "DURATION": "3s", "USERS": "3"},
		Progress: func(p k6.Progress) { seen = p },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Endpoints) != 1 {
		t.Fatalf("setup leaked into %v", s.Endpoints)
	}
	e := s.Endpoints["GET /api/v1/feed"]
	// One tick may fall on each end of a phase: at most one warm-up request more than were answered at once.
	if n := int(e.OK.N + e.Failed.N); n < measured-2 || n > measured+1 {
		t.Errorf("measured %d of %d", n, measured)
	}
	if got, want := int(e.ByStatus["500"]), m.Count("failed"); got != want || want < 20 {
		t.Errorf("%d of %d failures by status", got, want)
	}
	if got, want := int(e.ByStatus["0"]), m.Count("cut"); got != want || want < 10 {
		t.Errorf("%d of %d cut connections by status", got, want)
	}
	if int(e.Failed.N) != m.Count("failed")+m.Count("cut") {
		t.Errorf("failed %d", e.Failed.N)
	}
	h, err := k6.DecodeHistogram(e.OK.HDR)
	if err != nil {
		t.Fatal(err)
	}
	if h.Min() < 19_900 {
		t.Errorf("a success took %d µs; each took 20 ms, so it was a failure or belongs to the warm-up", h.Min())
	}
	if m.Count("signup") != 3 || m.Count("follow") != 6 || m.Count("post") < 20 {
		t.Errorf("setup made %d users, %d follows, %d posts", m.Count("signup"), m.Count("follow"), m.Count("post"))
	}
	if s.Generator.Dropped == 0 && s.Generator.LagHDR == "" || s.Generator.MaxRSS == 0 || s.Bytes.Received == 0 {
		t.Errorf("generator %+v, bytes %+v", s.Generator, s.Bytes)
	}
	if seen.Requests == 0 || seen.Requests > e.OK.N+e.Failed.N {
		t.Errorf("progress said %+v", seen)
	}
}

func TestPostCreateReusesTheUsersOfItsSeed(t *testing.T) {
	t.Parallel()
	b, m := ours(t), (&perftest.Market{}).Start(t)
	env := map[string]string{"BASE_URL": m.URL, "RATE": "20", "WARMUP": "0", "DURATION": "1s", "USERS": "2", "SEED": "7"}
	for range 2 {
		s, err := b.Run(t.Context(), k6.Run{Script: scenario(t, b, "post_create"), Env: env})
		if err != nil {
			t.Fatal(err)
		}
		if e := s.Endpoints["POST /api/v1/posts"]; e.ByStatus["201"] < 18 || e.Failed.N != 0 {
			t.Errorf("%+v", e)
		}
	}
	if m.Count("signup") != 2 || m.Count("login") != 2 {
		t.Errorf("%d signups, %d logins", m.Count("signup"), m.Count("login"))
	}
}

func TestDroppedIterationsAreCounted(t *testing.T) {
	t.Parallel()
	b, m := ours(t), (&perftest.Market{OKDelay: 300 * time.Millisecond, Fast: 1}).Start(t)
	s, err := b.Run(t.Context(), k6.Run{Script: scenario(t, b, "feed_read"), Env: map[string]string{
		"BASE_URL": m.URL, "RATE": "50", "WARMUP": "0", "DURATION": "1s", "USERS": "1", "VUS": "2",
	}})
	if err != nil {
		t.Fatal(err)
	}
	e := s.Endpoints["GET /api/v1/feed"]
	if s.Generator.Dropped < 30 || e.OK.N+s.Generator.Dropped < 49 {
		t.Errorf("%d answered, %d dropped", e.OK.N, s.Generator.Dropped)
	}
}

func TestFailuresSayWhatK6Said(t *testing.T) {
	t.Parallel()
	b, closed := ours(t), (&perftest.Market{NoSignups: true}).Start(t)
	feed := scenario(t, b, "feed_read")
	for name, c := range map[string]struct {
		run  k6.Run
		kind fault.Kind
		want string
	}{
		"syntax":   {k6.Run{Script: []byte("export default function( {")}, fault.Failed, "Unexpected"},
		"no setup": {k6.Run{Script: feed, Env: map[string]string{"BASE_URL": closed.URL}}, fault.Failed, "signups are closed"},
		"bad plan": {k6.Run{Script: feed, Env: map[string]string{"RATE": "-1"}}, fault.Failed, "RATE"},
	} {
		_, err := b.Run(t.Context(), c.run)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Scenario(t.Context(), "nope"); !errors.Is(err, fault.Usage) {
		t.Errorf("unknown scenario: %v", err)
	}
}

func TestCancelStopsK6(t *testing.T) {
	t.Parallel()
	b, m := ours(t), (&perftest.Market{}).Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := time.Now()
	_, err := b.Run(ctx, k6.Run{
		Script:   scenario(t, b, "feed_read"),
		Env:      map[string]string{"BASE_URL": m.URL, "RATE": "20", "WARMUP": "0", "DURATION": "5m", "USERS": "1"},
		Progress: func(k6.Progress) { cancel() },
	})
	if !errors.Is(err, fault.Canceled) || time.Since(start) > time.Minute {
		t.Fatalf("after %s: %v", time.Since(start), err)
	}
	n := m.Count("feed")
	if _, err := b.Scenario(t.Context(), "feed_read"); err != nil { // takes as long as a dozen requests would
		t.Fatal(err)
	}
	if now := m.Count("feed"); now != n {
		t.Errorf("k6 went on: %d requests, then %d", n, now)
	}
}

func TestFindTakesOnlyOurs(t *testing.T) {
	path := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	dir := t.TempDir()
	script := func(name, body string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	stock := script("k6", "exit 1")
	newer := script("newer", `echo '{"schema":"platctl.k6summary/v9"}'`)
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for setting, want := range map[string]string{
		stock: "has no platctl extension", newer: "reads versions", filepath.Join(dir, "none"): "no such file",
		plain: "can't be executed", "": "passed over " + stock,
	} {
		_, err := k6.Find(t.Context(), setting, "")
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", setting, err)
		} else if hint := fault.From(err).Hint; !strings.Contains(hint, k6.BuildCommand) {
			t.Errorf("%q: hint %q", setting, hint)
		}
	}
	if err := os.Symlink(path, filepath.Join(dir, "platctl-k6")); err != nil {
		t.Fatal(err)
	}
	b, err := k6.Find(t.Context(), "", filepath.Join(dir, "platctl"))
	if err != nil || b.Path != filepath.Join(dir, "platctl-k6") || len(b.Info.Scenarios) < 2 {
		t.Errorf("%+v %v", b, err)
	}
}
