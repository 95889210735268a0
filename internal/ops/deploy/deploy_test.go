package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/ops/deploy/deploytest"
	"github.com/platctl/platctl/internal/ops/ledger"
)

func v(version string) deploytest.Behaviour { return deploytest.Behaviour{Version: version} }

// until waits for a condition that a process outside brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

var rounds = flag.Int("rounds", 3, "deploys and rollbacks under load")

// The reason this package exists: out, and back, under load, with every request answered and every POST executed once.
func TestSwapsUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := []string{r.deploy(v("1.0.0")).Release}
	load := &deploytest.Load{Addr: r.addr, Rate: 300}
	load.Start()
	more := func(version string) {
		from := load.Answers(version)
		until(t, version+" answers", func() bool { return load.Answers(version) > from+40 })
	}
	more("1.0.0")
	var restored []int64
	for n := range *rounds {
		version := fmt.Sprintf("2.%d.0", n)
		out := r.deploy(v(version))
		ids = append(ids, out.Release)
		more(version)
		back := r.rollback("")
		if !back.Warm || back.To != ids[0] || back.From != out.Release || !back.Recorded || len(out.Warnings)+len(back.Warnings) != 0 {
			t.Errorf("%+v, %+v", out, back)
		}
		restored = append(restored, back.RestoredMS)
		more("1.0.0")
	}
	rep := load.Stop()
	if len(rep.Failed) != 0 {
		t.Fatalf("%d of %d requests failed as the clients saw it, first %s", len(rep.Failed), rep.Sent, rep.Failed[0])
	}
	st, err := r.Edge().State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range st.Route("market").Counts {
		if c.Failed != 0 || c.InFlight != 0 {
			t.Errorf("the edge counted %+v", c)
		}
	}
	runs, total := map[string]int{}, 0
	for _, id := range ids {
		for req, n := range r.executed(id) {
			runs[req] += n
			total += n
		}
	}
	for _, id := range rep.Posts {
		if runs[id] != 1 {
			t.Errorf("POST %s was executed %d times", id, runs[id])
		}
	}
	if total != rep.Sent {
		t.Errorf("clients sent %d requests, the releases executed %d", rep.Sent, total)
	}
	t.Logf("%d requests, %d swaps, longest gap between answers %s, restored after %v ms", rep.Sent, 2**rounds, rep.MaxGap, restored)
}

func TestLifeOfThreeReleases(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if s, err := r.Status(t.Context()); !errors.Is(err, fault.No) || s.Serving {
		t.Fatalf("nothing deployed: %+v, %v", s, err)
	}
	one := r.deploy(v("1.0.0"))
	if one.Release != "1-1.0.0" || one.Previous != "" {
		t.Fatalf("%+v", one)
	}
	r.mustServe("1.0.0")
	two := r.deploy(v("2.0.0"))
	onePid := r.pid(one.Release)
	for rel, want := range map[string]role.Role{one.Release: role.Standby, two.Release: role.Active} {
		d, err := role.Get(t.Context(), r.readRecord(rel).Control)
		if err != nil || d.Role != want || d.Token != two.Token {
			t.Errorf("role of %s: %+v, %v", rel, d, err)
		}
	}
	s := r.status()
	if !s.Serving || s.Active.ID != two.Release || s.Active.Verdict != ledger.Good || s.Standby.ID != one.Release || !s.Standby.Warm ||
		s.Rollback.To != one.Release || !s.Rollback.Warm || len(s.Problems) != 0 {
		t.Fatalf("status %+v", s)
	}
	r.deploy(v("3.0.0"))
	r.mustServe("3.0.0")
	if onePid.Alive() {
		t.Error("the standby before last still runs")
	}
	// 1 is cold now: going back to it means starting it, and it is still the same bytes.
	cold := r.rollback("1.0.0")
	if cold.Warm || cold.To != one.Release {
		t.Fatalf("%+v", cold)
	}
	r.mustServe("1.0.0")
	if _, err := os.Stat(filepath.Join(r.releaseDir(one.Release), "migrated")); err != nil {
		t.Error("the deploy did not migrate")
	}
	os.Remove(filepath.Join(r.releaseDir(one.Release), "migrated"))
	log, err := r.History()
	if err != nil || log.Err() != nil {
		t.Fatalf("%v, %v", err, log.Err())
	}
	last := log.Events[len(log.Events)-1]
	if last.Kind != ledger.Verdict || last.Result != ledger.Bad || last.ReleaseID != "3-3.0.0" {
		t.Fatalf("last event %+v", last)
	}
}

func TestRollbackTwiceNeverGoesBackToTheBadOne(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	bad := v("2.0.0")
	bad.Status = 500
	r.deploy(bad)
	r.rollback("")
	r.mustServe("1.0.0")
	if _, err := r.PlanRollback(t.Context(), ""); !errors.Is(err, fault.NeedsPerson) || !strings.Contains(err.Error(), "2-2.0.0 is bad") {
		t.Fatalf("a second rollback: %v", err)
	}
	for _, to := range []string{"2.0.0", "v2.0.0", "2-2.0.0"} {
		if _, err := r.PlanRollback(t.Context(), to); !errors.Is(err, fault.No) || fault.From(err).Code != "bad" {
			t.Errorf("--to %s: %v", to, err)
		}
	}
	if _, err := r.PlanRollback(t.Context(), "1.0.0"); !errors.Is(err, fault.No) {
		t.Errorf("to the one that serves: %v", err)
	}
	for _, to := range []string{"9.9.9", "--help", "../..", " "} {
		if _, err := r.PlanRollback(t.Context(), to); !errors.Is(err, fault.NotFound) {
			t.Errorf("--to %q: %v", to, err)
		}
	}
	r.mustServe("1.0.0")
}

func TestBadBytesAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	cases := map[string]func(dir string) error{
		"flipped byte": func(d string) error {
			return os.WriteFile(filepath.Join(d, "behaviour.json"), []byte(`{"version":"2.0.1"}`), 0o600)
		},
		"half a file":      func(d string) error { return os.Truncate(filepath.Join(d, "bin/run.sh"), 9) },
		"missing file":     func(d string) error { return os.Remove(filepath.Join(d, "behaviour.json")) },
		"missing manifest": func(d string) error { return os.Remove(filepath.Join(d, "manifest.json")) },
		"half a manifest":  func(d string) error { return os.Truncate(filepath.Join(d, "manifest.json"), 100) },
		"a link outside": func(d string) error {
			return swapFor(d, func(p string) error { return os.Symlink("/etc/hostname", p) })
		},
		"a directory": func(d string) error { return swapFor(d, func(p string) error { return os.Mkdir(p, 0o700) }) },
		"a pipe": func(d string) error {
			return swapFor(d, func(p string) error { return exec.Command("mkfifo", p).Run() })
		},
		"a manifest that is a pipe": func(d string) error {
			p := filepath.Join(d, "manifest.json")
			return errors.Join(os.Remove(p), exec.Command("mkfifo", p).Run())
		},
		"a manifest without end": func(d string) error { return os.Truncate(filepath.Join(d, "manifest.json"), 1<<40) },
		"a file without end":     func(d string) error { return os.Truncate(filepath.Join(d, "behaviour.json"), 1<<40) },
		"an escaping path":       func(d string) error { return edit(d, `"behaviour.json"`, `"../behaviour.json"`) },
		"another app":            func(d string) error { return edit(d, `"app": "market"`, `"app": "shop"`) },
		"an odd version":         func(d string) error { return edit(d, `"version": "2.0.0"`, `"version": "../2"`) },
		"unlisted program":       func(d string) error { return edit(d, `"bin/run.sh",`, `"bin/other",`) },
		"a future manifest":      func(d string) error { return edit(d, "platctl.manifest/v1", "platctl.manifest/v9") },
	}
	for name, spoil := range cases {
		dir := r.build(v("2.0.0"))
		if err := spoil(dir); err != nil {
			t.Fatal(name, err)
		}
		_, err := r.Deploy(t.Context(), Request{Dir: dir})
		if !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(r.path("releases"), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	r.mustServe("1.0.0")
}

func swapFor(dir string, make func(string) error) error {
	p := filepath.Join(dir, "behaviour.json")
	return errors.Join(os.Remove(p), make(p))
}

func edit(dir, old, new string) error {
	p := filepath.Join(dir, "manifest.json")
	b, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), old) {
		return errors.New("the manifest does not contain " + old)
	}
	return os.WriteFile(p, []byte(strings.Replace(string(b), old, new, 1)), 0o600)
}

func TestFailingReleasesLeaveTheOldOneServing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	r.opts.ReadyTimeout = 400 * time.Millisecond
	for name, c := range map[string]struct {
		b    deploytest.Behaviour
		code string
		says []string
	}{
		"dies at start":    {deploytest.Behaviour{Version: "2.0.0", FailStart: true}, "died", []string{"exit status 3", "cannot open the flux capacitor"}},
		"never ready":      {deploytest.Behaviour{Version: "2.0.0", NeverReady: true}, "not_ready", []string{"/api/ready answers 503", "release 2.0.0 starts"}},
		"fails to migrate": {deploytest.Behaviour{Version: "2.0.0", FailMigrate: true}, "migrate_failed", []string{"column shirt_size exists already"}},
	} {
		_, err := r.Deploy(t.Context(), Request{Dir: r.build(c.b)})
		if !errors.Is(err, fault.Failed) || fault.From(err).Code != c.code {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, s := range append(c.says, "1-1.0.0 is still in charge") {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: the message lacks %q:\n%v", name, s, err)
			}
		}
		r.mustServe("1.0.0")
	}
	for _, rel := range r.look(t.Context()).releases {
		if rel.Version == "2.0.0" && (rel.Warm || rel.Verdict == ledger.Good) {
			t.Errorf("%+v", rel)
		}
	}
	if p, err := r.PlanRollback(t.Context(), ""); !errors.Is(err, fault.NeedsPerson) {
		t.Errorf("a failed release is offered: %+v, %v", p, err)
	}
}

func TestSkipMigrate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := v("1.0.0")
	b.FailMigrate = true
	if _, err := r.Deploy(t.Context(), Request{Dir: r.build(b), SkipMigrate: true}); err != nil {
		t.Fatal(err)
	}
	r.mustServe("1.0.0")
}

func TestNewReleaseKilledBeforeTheSwap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	notify := r.opts.Notify
	r.opts.Notify = func(p Progress) {
		notify(p)
		if p.Step == "ready" {
			_ = r.pid("2-2.0.0").Kill(context.Background())
		}
	}
	if _, err := r.Deploy(t.Context(), Request{Dir: r.build(v("2.0.0"))}); !errors.Is(err, fault.Failed) {
		t.Fatalf("got %v", err)
	}
	r.mustServe("1.0.0")
	if s := r.status(); s.Active.ID != one.Release {
		t.Fatalf("%+v", s.Active)
	}
}

func TestNewReleaseThatDiesUnderTrafficIsTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	notify := r.opts.Notify
	r.opts.Notify = func(p Progress) {
		notify(p)
		if p.Step == "swap" {
			l := &deploytest.Load{Addr: r.addr}
			_, _ = l.Once()
			_ = r.pid("2-2.0.0").Wait(context.Background())
		}
	}
	_, err := r.Deploy(t.Context(), Request{Dir: r.build(deploytest.Behaviour{Version: "2.0.0", DieOnWork: true})})
	if !errors.Is(err, fault.Failed) || !strings.Contains(err.Error(), "a nil map was written") || !strings.Contains(err.Error(), "1-1.0.0 serves again") {
		t.Fatalf("got %v", err)
	}
	r.mustServe("1.0.0")
	if _, err := r.PlanRollback(t.Context(), "2.0.0"); fault.From(err).Code != "bad" {
		t.Fatalf("the dead one is not bad: %v", err)
	}
}

func TestTwoDeploysAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	dirs := []string{r.build(v("2.0.0")), r.build(v("3.0.0"))}
	hold, held := make(chan struct{}), make(chan struct{})
	o := hostOptions(r.root)
	o.Notify = func(p Progress) {
		if p.Step == "start" {
			close(held)
			<-hold
		}
	}
	first, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := first.Deploy(t.Context(), Request{Dir: dirs[0]}); err != nil {
			t.Error(err)
		}
	})
	<-held
	_, err = r.Deploy(t.Context(), Request{Dir: dirs[1]})
	if !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "ana on web1") || !strings.Contains(err.Error(), "platctl deploy") {
		t.Errorf("the second: %v", err)
	}
	if s := r.status(); s.Lock == nil || s.Lock.Owner.User != "ana" {
		t.Errorf("status does not show the lock: %+v", s.Lock)
	}
	close(hold)
	wg.Wait()
	r.mustServe("2.0.0")
	if s := r.status(); s.Lock != nil {
		t.Errorf("the lock was not given back: %+v", s.Lock)
	}
}

func TestInterruptedDeployCanBeRunAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	dir := r.build(v("2.0.0"))
	notify := r.opts.Notify
	for _, at := range []string{"stage", "migrate", "start", "ready"} {
		ctx, cancel := context.WithCancel(t.Context())
		r.opts.Notify = func(p Progress) {
			notify(p)
			if p.Step == at {
				cancel()
			}
		}
		_, err := r.Deploy(ctx, Request{Dir: dir})
		if !errors.Is(err, fault.Canceled) || !strings.Contains(err.Error(), "1-1.0.0 is still in charge") {
			t.Fatalf("at %s: %v", at, err)
		}
		r.mustServe("1.0.0")
	}
	r.opts.Notify = notify
	if _, err := r.Deploy(t.Context(), Request{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	r.mustServe("2.0.0")
}

// The command is killed at every step it reports; the app serves the old or the new release, and the next deploy works
// and leaves no process behind that nobody routes to.
func TestDeployKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"stage", "migrate", "start", "ready", "swap", "drain"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.deploy(v("1.0.0"))
			cmd := exec.Command(self, r.root, r.build(v("2.0.0")))
			cmd.Env = []string{deploytest.Marker + "=deploy", "PLATCTL_TEST_DIE_AT=" + at, "PATH=/usr/bin:/bin"}
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("it was not killed: %v %s", err, out)
			}
			want := "1.0.0"
			if at == "swap" || at == "drain" {
				want = "2.0.0"
			}
			r.mustServe(want)
			if err := os.MkdirAll(filepath.Join(r.path("releases"), stagePrefix+"99"), 0o700); err != nil {
				t.Fatal(err)
			}
			r.deploy(v("3.0.0"))
			r.mustServe("3.0.0")
			view := r.look(t.Context())
			for _, rel := range view.releases {
				if rel.Warm && rel.ID != view.route.Active.Release && rel.ID != view.route.Standby.Release {
					t.Errorf("%s still runs", rel.ID)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(r.path("releases"), stagePrefix+"*")); len(left) != 0 {
				t.Errorf("half-staged copies are left: %v", left)
			}
			p, err := r.PlanRollback(t.Context(), "")
			if err != nil || p.Version != want {
				t.Errorf("a rollback would go to %+v, %v; want %s", p, err, want)
			}
			if log, err := r.History(); err != nil || log.Err() != nil {
				t.Errorf("ledger: %v, %v", err, log.Err())
			}
		})
	}
}

// An orphan whose starter died before it could write down the pid is found by its socket.
func TestUnrecordedOrphanIsStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	notify := r.opts.Notify
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.deploy(v("2.0.0"))
	r.deploy(v("3.0.0")) // stops 1
	rel := r.look(ctx).get("1-1.0.0")
	b, err := openBundle(r.releaseDir(rel.ID))
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.start(ctx, rel, b.manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.releaseDir(rel.ID), "process.json")); err != nil {
		t.Fatal(err)
	}
	r.opts.Notify = notify
	r.deploy(v("4.0.0"))
	if s.Alive() {
		t.Fatal("the orphan still runs")
	}
}

func TestLockOfADeadOwnerIsTakenOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.deploy(v("1.0.0"))
	dead := r.readLock()
	dead.Released, dead.Token, dead.Heartbeat = false, dead.Token+5, time.Now()
	dead.Process.Start-- // a process that is gone, whose pid now belongs to this one
	if err := r.writeLock(dead); err != nil {
		t.Fatal(err)
	}
	two := r.deploy(v("2.0.0"))
	if two.Token <= one.Token+5 {
		t.Errorf("token %d after %d", two.Token, dead.Token)
	}
	log, err := r.History()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range log.Events {
		found = found || (e.Kind == ledger.Lock && strings.Contains(e.Why, "took over the lock of ana on web1"))
	}
	if !found {
		t.Error("the ledger does not say who was taken over")
	}
}

func TestLockRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.opts.LockTTL = time.Hour
	r.deploy(v("1.0.0"))
	mine := r.readLock()
	now := time.Now()
	for name, c := range map[string]struct {
		change func(*LockDoc)
		held   bool
	}{
		"alive here":                {func(*LockDoc) {}, true},
		"alive here, hung":          {func(d *LockDoc) { d.Heartbeat = now.Add(-2 * time.Hour) }, false},
		"heartbeat from the future": {func(d *LockDoc) { d.Heartbeat = now.Add(2 * time.Hour) }, false},
		"elsewhere, fresh":          {func(d *LockDoc) { d.Owner.Host, d.Process.PID = "web2", 1<<30 }, true},
		"elsewhere, silent":         {func(d *LockDoc) { d.Owner.Host, d.Heartbeat = "web2", now.Add(-2*time.Hour) }, false},
		"gone from here":            {func(d *LockDoc) { d.Process.PID = 1 << 30 }, false},
	} {
		d := mine
		d.Released, d.Heartbeat = false, now
		c.change(&d)
		if r.held(d) != c.held {
			t.Errorf("%s: held is %t", name, !c.held)
		}
	}
	if err := os.WriteFile(r.path("deploy.lock"), []byte("\x00garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	two := r.deploy(v("2.0.0")) // the floor comes from the edge and the ledger
	if two.Token <= mine.Token {
		t.Errorf("token %d after %d", two.Token, mine.Token)
	}
}

// A deploy that was stopped for so long that its lock expired wakes up: its token is old, so the edge refuses it.
func TestZombieIsFencedOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	dirs := []string{r.build(v("2.0.0")), r.build(v("3.0.0"))}
	o := hostOptions(r.root)
	o.Notify = func(p Progress) {
		if p.Step != "ready" {
			return
		}
		d := r.readLock()
		d.Heartbeat = time.Now().Add(-time.Hour)
		if err := r.writeLock(d); err != nil {
			t.Error(err)
		}
		other, err := New(hostOptions(r.root))
		if err == nil {
			_, err = other.Deploy(t.Context(), Request{Dir: dirs[1]})
		}
		if err != nil {
			t.Error(err)
		}
	}
	zombie, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zombie.Deploy(t.Context(), Request{Dir: dirs[0]}); err == nil {
		t.Fatal("the zombie deployed")
	}
	r.mustServe("3.0.0")
}

func TestLostHeartbeatStopsADeploy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.opts.LockTTL = 40 * time.Millisecond
	ctx, l, err := r.acquire(t.Context(), "deploy", 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	guard, err := r.guard(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := r.readLock()
	d.Token++
	d.Owner.User = "eve"
	if err := r.writeLock(d); err != nil {
		t.Fatal(err)
	}
	guard.Close()
	select {
	case <-ctx.Done():
	case <-time.After(60 * time.Second):
		t.Fatal("the owner was not told")
	}
	if err := context.Cause(ctx); !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "eve") {
		t.Fatalf("cause %v", err)
	}
	l.release()
	if now := r.readLock(); now.Owner.User != "eve" || now.Released {
		t.Fatalf("the loser changed the winner's lock: %+v", now)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.deploy(v("1.0.0"))
	before, err := json.Marshal(tree(t, r.dir))
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Plan(t.Context(), Request{Dir: r.build(v("2.0.0"))})
	if err != nil || p.Release != "2-2.0.0" || p.Replaces != "1-1.0.0" || !p.Migrate || len(p.Steps) != len(steps()) {
		t.Fatalf("%+v, %v", p, err)
	}
	if after, _ := json.Marshal(tree(t, r.dir)); string(after) != string(before) {
		t.Fatalf("the plan changed %s to %s", before, after)
	}
}

func tree(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err == nil && !d.IsDir() {
			out[p] = st.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
