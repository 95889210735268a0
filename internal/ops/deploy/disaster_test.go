package deploy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
	"github.com/platctl/platctl/internal/ops/deploy/deploytest"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// A ledger on a full device: the rollback succeeds, says so, is not forgotten, and is written down when space returns.
func TestRollbackWithAnUnwritableLedger(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	r.deploy(v("2.0.0"))
	saved := r.ledgerPath() + ".saved"
	if err := errors.Join(os.Rename(r.ledgerPath(), saved), os.Symlink("/dev/full", r.ledgerPath())); err != nil {
		t.Fatal(err)
	}
	p := &RollbackPlan{App: "market", From: "2-2.0.0", To: "1-1.0.0"}
	res, err := r.Rollback(t.Context(), p, "test")
	if err != nil || res.Recorded || len(res.Warnings) == 0 || !strings.Contains(res.Warnings[0], "the ledger does not have it") {
		t.Fatalf("%+v, %v", res, err)
	}
	r.mustServe("1.0.0")
	if _, err := r.PlanRollback(t.Context(), "2.0.0"); fault.From(err).Code != "bad" {
		t.Fatalf("the bad one was forgotten: %v", err)
	}
	if err := errors.Join(os.Remove(r.ledgerPath()), os.Rename(saved, r.ledgerPath())); err != nil {
		t.Fatal(err)
	}
	r.deploy(v("3.0.0"))
	log, err := r.History()
	if err != nil || log.Err() != nil {
		t.Fatal(err, log.Err())
	}
	found := false
	for _, e := range log.Events {
		found = found || (e.Kind == ledger.Verdict && e.ReleaseID == "2-2.0.0" && e.Result == ledger.Bad)
	}
	if !found {
		t.Fatal("the verdict did not reach the ledger later")
	}
}

// Nothing at all can be written: not the lock, not the routes, not the ledger.
func TestRollbackOnADiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	r.deploy(v("2.0.0"))
	for _, name := range []string{"deploy.lock.tmp", "routes.json.tmp"} {
		if err := os.MkdirAll(filepath.Join(r.dir, name, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Deploy(t.Context(), Request{Dir: r.build(v("3.0.0"))}); !errors.Is(err, fault.Failed) {
		t.Fatalf("a deploy went ahead: %v", err)
	}
	if err := os.WriteFile(r.ledgerPath()+".x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	res := r.rollback("")
	if len(res.Warnings) == 0 || res.To != "1-1.0.0" {
		t.Fatalf("%+v", res)
	}
	r.mustServe("1.0.0")
}

func TestRollbackWithATornOrBrokenLedger(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	r.deploy(v("2.0.0"))
	data, err := os.ReadFile(r.ledgerPath())
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(data), `"kind":"expand"`, `"kind":"exqand"`, 1) + `{"schema":"platctl.led`
	if err := os.WriteFile(r.ledgerPath(), []byte(broken), 0o640); err != nil {
		t.Fatal(err)
	}
	if s := r.status(); len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "broken") {
		t.Errorf("status: %q", s.Problems)
	}
	if res := r.rollback(""); !res.Recorded {
		t.Fatalf("%+v", res)
	}
	r.mustServe("1.0.0")
	if log, err := r.History(); err != nil || len(log.Problems) != 1 || log.Torn != 0 {
		t.Fatalf("%+v, %v", log.Problems, err)
	}
}

// The database is down: neither release is ready, and the cold one is gated on its health alone.
func TestColdRollbackWhileADependencyIsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	two := r.deploy(v("2.0.0"))
	if err := r.pid(one.Release).Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{one.Release, two.Release} {
		if err := os.WriteFile(filepath.Join(r.releaseDir(id), "not-ready"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if res := r.rollback(""); res.Warm || res.To != one.Release {
		t.Fatalf("%+v", res)
	}
	r.mustServe("1.0.0")
	if !r.noted("neither release is ready") {
		t.Error("it did not say why it went ahead")
	}
}

func TestColdRollbackRefusesChangedFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	r.deploy(v("2.0.0"))
	if err := r.pid(one.Release).Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.releaseDir(one.Release), "behaviour.json"), []byte(`{"version":"6.6.6"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := r.PlanRollback(t.Context(), "")
	if err != nil || p.Warm {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := r.Rollback(t.Context(), p, ""); !errors.Is(err, fault.Invalid) {
		t.Fatalf("got %v", err)
	}
	r.mustServe("2.0.0")
}

func TestRollbackRefusesAStalePlan(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	r.deploy(v("2.0.0"))
	p, err := r.PlanRollback(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	r.deploy(v("3.0.0"))
	if _, err := r.Rollback(t.Context(), p, ""); !errors.Is(err, fault.Conflict) {
		t.Fatalf("got %v", err)
	}
	r.mustServe("3.0.0")
}

// An edge of its own process, killed and started again on the same address.
func TestKilledEdgeComesBackWithItsRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	ln.Close()
	r.opts.Env = append(r.opts.Env, deploytest.Marker+"=edge")
	st, err := r.StartEdge(t.Context(), self, []string{r.root, r.addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Process.Kill(t.Context()) })
	if _, err := r.StartEdge(t.Context(), self, []string{r.root, r.addr}); !errors.Is(err, fault.Busy) {
		t.Fatalf("a second edge: %v", err)
	}
	r.deploy(v("1.0.0"))
	two := r.deploy(v("2.0.0"))
	if err := st.Process.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := r.Status(t.Context()); !errors.Is(err, fault.No) || s.Edge.Running {
		t.Fatalf("status without an edge: %+v, %v", s, err)
	}
	if _, err := r.Deploy(t.Context(), Request{Dir: r.build(v("3.0.0"))}); !errors.Is(err, fault.Unavailable) {
		t.Fatalf("deploy without an edge: %v", err)
	}
	if st, err = r.StartEdge(t.Context(), self, []string{r.root, r.addr}); err != nil {
		t.Fatal(err)
	}
	again := st.Process
	t.Cleanup(func() { _ = again.Kill(t.Context()) })
	r.mustServe("2.0.0")
	if s := r.status(); s.Active.ID != two.Release || s.Standby == nil || !s.Rollback.Warm {
		t.Fatalf("%+v", s)
	}
	stopped, err := r.StopEdge(t.Context(), 30e9, true)
	if err != nil || len(stopped) != 3 || again.Alive() || r.pid(two.Release).Alive() {
		t.Fatalf("stopped %v, %v", stopped, err)
	}
}

// After a reboot, or `edge stop --all`: the edge restores a route to a release that is not there, and a deploy or a cold
// rollback brings service back.
func TestServiceComesBackAfterEverythingEnded(t *testing.T) {
	t.Parallel()
	for name, revive := range map[string]func(*rig) string{
		"deploy":   func(r *rig) string { r.deploy(v("3.0.0")); return "3.0.0" },
		"rollback": func(r *rig) string { r.rollback(""); return "1.0.0" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.deploy(v("1.0.0"))
			r.deploy(v("2.0.0"))
			r.stop()
			r.killReleases()
			r.startEdge()
			if s, err := r.Status(t.Context()); !errors.Is(err, fault.No) || !strings.Contains(err.Error(), "nothing serves: 2-2.0.0") {
				t.Fatalf("%+v, %v", s, err)
			}
			r.mustServe(revive(r))
		})
	}
}

func TestStartEdgeShowsWhyItEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r.opts.Env = append(r.opts.Env, deploytest.Marker+"=edge")
	_, err = r.StartEdge(t.Context(), self, []string{r.root, ln.Addr().String()})
	if !errors.Is(err, fault.Failed) || !strings.Contains(err.Error(), "is taken by another process") {
		t.Fatalf("got %v", err)
	}
}

// The edge falls back to the warm release while the one in charge is dead; nothing a client sends is refused.
func TestKilledReleaseInCharge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	two := r.deploy(v("2.0.0"))
	if err := r.pid(two.Release).Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mustServe("1.0.0")
	s, err := r.Status(t.Context())
	if !errors.Is(err, fault.No) || s.Active.Alive || s.Rollback.To != "1-1.0.0" {
		t.Fatalf("%+v, %v", s.Active, err)
	}
	r.rollback("")
	if s := r.status(); !s.Serving || s.Active.Version != "1.0.0" {
		t.Fatalf("%+v", s)
	}
}

func TestLongRootGetsAShortSocketDirectory(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	h, err := New(hostOptions(long))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.prepare(); err != nil {
		t.Fatal(err)
	}
	dir := h.socketDir()
	t.Cleanup(func() { os.RemoveAll(dir) })
	api, control := h.sockets(12345678)
	if len(api) > unixsock.MaxPath || len(control) > unixsock.MaxPath || len(h.Edge().Socket) > unixsock.MaxPath {
		t.Fatalf("%s has %d bytes", api, len(api))
	}
	if err := h.prepare(); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := h.prepare(); !errors.Is(err, fault.Config) {
		t.Fatalf("a directory that strangers can write was used: %v", err)
	}
}

func TestNamesOfAppsAreChecked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "..", "a/b", "Market", "-x", strings.Repeat("a", 33)} {
		o := hostOptions(t.TempDir())
		o.App = name
		if _, err := New(o); !errors.Is(err, fault.Config) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A child that inherited nothing: the environment of the release is the one given, and its directory is its own.
func TestReleaseRunsInItsDirectoryAndSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	pid := r.pid(one.Release)
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid.PID) + "/cwd")
	if err != nil || cwd != r.releaseDir(one.Release) {
		t.Errorf("cwd %s, %v", cwd, err)
	}
	out, err := exec.Command("ps", "-o", "sid=", "-p", strconv.Itoa(pid.PID)).Output()
	if err == nil && strings.TrimSpace(string(out)) != strconv.Itoa(pid.PID) {
		t.Errorf("session %s of process %d", out, pid.PID)
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid.PID) + "/environ")
	if err != nil || !strings.Contains(string(env), "HOME=/nonexistent") {
		t.Errorf("environment %q, %v", env, err)
	}
}

// After a killed deploy there are two directories of a version, and only the older one has ever served.
func TestAVersionMeansTheReleaseThatIsProven(t *testing.T) {
	t.Parallel()
	rel := func(seq int, version, verdict string, present bool) *Release {
		return &Release{ID: fmt.Sprintf("%d-%s", seq, version), Version: version, seq: seq, Verdict: verdict, Present: present}
	}
	all := &view{releases: []*Release{
		rel(1, "1.0.0", ledger.Good, true), rel(2, "1.0.0", ledger.Good, true), rel(3, "1.0.0", Unproven, true),
		rel(4, "1.0.0", ledger.Good, false), rel(5, "1.0.0", ledger.Bad, true),
		rel(6, "2.0.0", Unproven, true), rel(7, "2.0.0", Unproven, false), rel(8, "2.0.0", ledger.Bad, true),
		rel(9, "3.0.0", ledger.Bad, true), rel(10, "4.0.0", ledger.Good, true),
	}}
	from := all.get("10-4.0.0")
	for to, want := range map[string]string{
		"1.0.0": "2-1.0.0", "v1.0.0": "2-1.0.0", "1-1.0.0": "1-1.0.0", "3-1.0.0": "3-1.0.0", "2.0.0": "6-2.0.0",
	} {
		if got, err := all.named(from, to); err != nil || got.ID != want {
			t.Errorf("--to %s: %+v, %v; want %s", to, got, err, want)
		}
	}
	if got, err := all.target(from, ""); err != nil || got.ID != "2-1.0.0" {
		t.Errorf("without --to: %+v, %v; the later good one has no files", got, err)
	}
	only := &view{releases: []*Release{rel(1, "1.0.0", ledger.Good, true), rel(2, "2.0.0", Unproven, false)}}
	if _, err := only.target(only.releases[0], ""); !errors.Is(err, fault.NeedsPerson) || strings.Contains(fault.From(err).Hint, "--to") {
		t.Errorf("nothing is left to name: %v, %s", err, fault.From(err).Hint)
	}
	for to, want := range map[string]error{
		"3.0.0": fault.No, "4.0.0": fault.No, "10-4.0.0": fault.No, "4-1.0.0": fault.No, "1": fault.NotFound, "": fault.NotFound,
	} {
		if got, err := all.named(from, to); !errors.Is(err, want) {
			t.Errorf("--to %q: %+v, %v; want %v", to, got, err, want)
		}
	}
}

// After a crash or a reboot there is often no release to go back to; the way out that status names has to work.
func TestADeadReleaseIsDeployedFromItsOwnDirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	if err := r.pid(one.Release).Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := r.Status(t.Context())
	dir := r.releaseDir(one.Release)
	if hint := fault.From(err).Hint; !errors.Is(err, fault.No) || !strings.HasPrefix(hint, "`platctl deploy "+dir+"`") || strings.Contains(hint, "rollback") {
		t.Fatalf("%v, next %q", err, hint)
	}
	if _, err := r.Deploy(t.Context(), Request{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	r.mustServe("1.0.0")
}

func TestGoingBackToAnUnprovenReleaseIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	if _, err := r.Deploy(t.Context(), Request{Dir: r.build(deploytest.Behaviour{Version: "2.0.0", FailMigrate: true})}); err == nil {
		t.Fatal("a failed migration was no error")
	}
	r.deploy(v("3.0.0"))
	for to, want := range map[string]bool{"2.0.0": true, "1.0.0": false, "": false} {
		p, err := r.PlanRollback(t.Context(), to)
		if err != nil || strings.Contains(strings.Join(p.Notes, "\n"), "is unproven") != want {
			t.Errorf("--to %q: %+v, %v", to, p, err)
		}
	}
}

// Bad is the last verdict a release gets, whatever is written behind it and in whatever order.
func TestBadIsForEver(t *testing.T) {
	t.Parallel()
	judged := func(result string) ledger.Event {
		return ledger.Event{Kind: ledger.Verdict, ReleaseID: "1-1.0.0", Result: result}
	}
	left := ledger.Event{Kind: ledger.Rollback, ReleaseID: "2-2.0.0", From: "1-1.0.0", Result: ledger.OK}
	for want, events := range map[string][][]ledger.Event{
		ledger.Bad: {
			{judged(ledger.Bad)}, {judged(ledger.Good), judged(ledger.Bad)}, {judged(ledger.Bad), judged(ledger.Good)},
			{left, judged(ledger.Good)}, {left, judged("unheard of")},
		},
		ledger.Good: {{judged(ledger.Good)}, {judged(ledger.Good), judged("unheard of")}},
		Unproven:    {{judged("unheard of")}, {{Kind: ledger.Swap, ReleaseID: "1-1.0.0", Result: ledger.OK}}},
	} {
		for _, list := range events {
			found := map[string]*Release{}
			fold(list, found)
			if got := found["1-1.0.0"].Verdict; got != want {
				t.Errorf("%+v: %s, want %s", list, got, want)
			}
		}
	}
}

// Digests inside a changed manifest may all be right: what counts is the manifest that was deployed.
func TestColdRollbackRefusesAnotherManifest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	r.deploy(v("2.0.0"))
	if err := r.pid(one.Release).Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := edit(r.releaseDir(one.Release), `"app": "market"`, `"app":  "market"`); err != nil {
		t.Fatal(err)
	}
	p, err := r.PlanRollback(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rollback(t.Context(), p, ""); fault.From(err).Code != "wrong_digest" {
		t.Fatalf("%v", err)
	}
	r.mustServe("2.0.0")
}

func TestAReleaseNeedsTwiceItsSize(t *testing.T) {
	t.Parallel()
	h := &Host{dir: t.TempDir()}
	var st unix.Statfs_t
	if err := unix.Statfs(h.dir, &st); err != nil {
		t.Fatal(err)
	}
	free := int64(st.Bavail) * st.Bsize
	if err := h.enoughSpace(free / 4); err != nil {
		t.Error(err)
	}
	if err := h.enoughSpace(free / 4 * 3); !errors.Is(err, fault.Failed) {
		t.Errorf("three quarters of the disk: %v", err)
	}
}
