package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/perf/perftest"
)

// host is one machine with platctl on it: a state directory, an edge address and the commands that people type.
type host struct {
	t    *testing.T
	dir  string
	env  []string
	edge string // base URL
}

func newHost(t *testing.T) *host {
	t.Helper()
	addr := freeAddr(t)
	h := &host{t: t, dir: pgtest.Dir(t), edge: "http://" + addr}
	h.env = append(os.Environ(), "PLATCTL_STATE_DIR="+h.path("state"), "PLATCTL_LOCALPG_DIR="+h.path("pg"),
		"PLATCTL_RELEASE_DIST="+h.path("dist"), "PLATCTL_PERF_DIR="+h.path("perf"), "PLATCTL_EDGE_LISTEN="+addr,
		"PLATCTL_EDGE_ADMIN_LISTEN=", "PLATCTL_SERVER_DRAIN_DELAY=100ms")
	t.Cleanup(func() {
		h.t = t
		h.run("edge", "stop", "--all")
		h.run("db", "stop")
	})
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// run runs platctl with --json in the repository and returns its result's data.
func (h *host) run(args ...string) json.RawMessage {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.t.Context()), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, platctl(h.t), append(args, "--json")...)
	cmd.Env, cmd.Dir = h.env, repoRoot(h.t)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var res struct {
		OK   bool
		Data json.RawMessage
	}
	if jerr := json.Unmarshal(out, &res); err != nil || jerr != nil || !res.OK {
		h.t.Fatalf("platctl %s: %v\n%s\n%s", strings.Join(args, " "), err, out, &said)
	}
	return res.Data
}

type counts struct {
	Release          string
	Requests, Failed int
}

// counts returns what the edge has counted for the release in charge and the one in standby.
func (h *host) counts() (active, standby counts) {
	h.t.Helper()
	var st struct{ Active, Standby struct{ Counts counts } }
	if err := json.Unmarshal(h.run("status"), &st); err != nil {
		h.t.Fatal(err)
	}
	return st.Active.Counts, st.Standby.Counts
}

func (h *host) get(path string) (int, string) {
	h.t.Helper()
	res, err := http.Get(h.edge + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// load posts through the edge with k6 until the returned function is called, which waits for its end and returns how many
// requests succeeded and failed as the client counted them.
func (h *host) load(k6 string) (wait func() (ok, failed int)) {
	h.t.Helper()
	script, err := exec.Command(k6, "x", "platctl", "scenario", "post_create").Output()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path("load.js"), script, 0o644); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(h.t.Context(), k6, "run", "--quiet", "--out", "platctl="+h.path("load.json"),
		"-e", "BASE_URL="+h.edge, "-e", "RATE=60", "-e", "WARMUP=1s", "-e", "DURATION=8s", "-e", "USERS=4", h.path("load.js"))
	cmd.Env = append(os.Environ(), "K6_NO_USAGE_REPORT=true", "K6_AUTO_EXTENSION_RESOLUTION=false")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return func() (ok, failed int) {
		h.t.Helper()
		if err := cmd.Wait(); err != nil {
			h.t.Fatalf("k6: %v\n%s", err, &said)
		}
		data, err := os.ReadFile(h.path("load.json"))
		if err != nil {
			h.t.Fatal(err)
		}
		var sum struct {
			Endpoints map[string]struct{ OK, Failed struct{ N int } }
		}
		if err := json.Unmarshal(data, &sum); err != nil {
			h.t.Fatal(err)
		}
		for _, e := range sum.Endpoints {
			ok, failed = ok+e.OK.N, failed+e.Failed.N
		}
		return ok, failed
	}
}

// The whole job, as `make spine` shows it: real releases of platctl itself behind a real edge, with k6 as the load and
// POSTs as its requests (a lost GET could be hidden by a client that sends it again).
func TestSpine(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	k6 := perftest.K6(t, os.Getenv("PLATCTL_TEST_K6"))
	h.run("db", "start")
	h.run("release", "build", "--version", "1.0.0")
	h.run("release", "build", "--version", "1.1.0")
	h.run("release", "build", "--version", "2.0.0", "--with-config", "configs/rehearsal.yaml")
	h.run("edge", "--detach")
	h.run("deploy", h.path("dist/1.0.0"))

	wait := h.load(k6)
	for a, _ := h.counts(); a.Requests < 150; a, _ = h.counts() { // the load is under way
		time.Sleep(20 * time.Millisecond)
	}
	h.run("deploy", h.path("dist/1.1.0"))
	for a, _ := h.counts(); a.Requests < 100; a, _ = h.counts() { // it serves
		time.Sleep(20 * time.Millisecond)
	}
	h.run("rollback", "--to", "1.0.0", "--yes")
	ok, failed := wait()
	v1, v11 := h.counts()
	t.Logf("client: %d ok, %d failed; server: %+v %+v", ok, failed, v1, v11)
	if failed != 0 || v1.Failed != 0 || v11.Failed != 0 {
		t.Errorf("good swaps lost requests: client %d, server %d and %d", failed, v1.Failed, v11.Failed)
	}
	if v11.Requests < 100 || v1.Requests+v11.Requests < ok {
		t.Errorf("the server answered %d and %d requests; the client counted %d", v1.Requests, v11.Requests, ok)
	}

	h.run("deploy", h.path("dist/2.0.0"), "--why", "looks healthy")
	if code, body := h.get("/api/v1/products"); code != 500 || !strings.Contains(body, "injected_fault") {
		t.Errorf("the bad release answers %d %s", code, body)
	}
	h.run("rollback", "--yes", "--why", "answers 500")
	if code, body := h.get("/api/v1/products"); code != 200 {
		t.Errorf("after the rollback: %d %s", code, body)
	}
	if _, bad := h.counts(); bad.Failed != 1 || !strings.HasSuffix(bad.Release, "2.0.0") {
		t.Errorf("the edge counted %+v for the bad release", bad)
	}
	h.run("history")
	h.run("perf", "baseline", "--target", h.edge, "--k6", k6, "--rate", "20", "--duration", "3s", "--warmup", "1s", "--users", "4")
	h.run("sbom", "generate", h.path("dist/1.0.0"), "--output", h.path("sbom.json"))
}
