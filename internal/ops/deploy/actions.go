package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
)

func (r *run) check() (err error) {
	h := r.host
	if r.bundle, err = openBundle(r.req.Dir); err != nil {
		return err
	}
	if app := r.bundle.manifest.App; app != h.opts.App {
		return fault.New(fault.Invalid, "this is a release of %q; deploy.app is %q", app, h.opts.App).
			WithHint("deploy it with --app %s", app)
	}
	r.view = h.look(r.ctx)
	if r.view.edgeErr != nil {
		return r.view.edgeErr
	}
	if r.view.logErr != nil {
		return r.view.logErr
	}
	return h.enoughSpace(r.bundle.bytes)
}

func (r *run) takeLock() (err error) {
	h := r.host
	if r.ctx, r.lock, err = h.acquire(r.ctx, "deploy", r.view.tokenFloor(), false); err != nil {
		return err
	}
	r.view = h.look(r.ctx) // what was seen before the lock may be old
	if r.view.edgeErr != nil {
		return r.view.edgeErr
	}
	r.res.Token, r.old = r.lock.token, r.view.active()
	if r.old != nil {
		r.res.Previous = r.old.ID
	}
	return h.noteTakeover(r.ctx, r.lock)
}

// noteTakeover writes down whose lock was taken over.
func (h *Host) noteTakeover(ctx context.Context, l *lock) error {
	if l.takenOver == nil {
		return nil
	}
	text := fmt.Sprintf("took over the lock of %s, which held it for `platctl %s` since %s",
		describe(*l.takenOver), l.takenOver.Command, l.takenOver.Acquired.Format(time.RFC3339))
	h.notify("lock", text)
	return h.record(ctx, l.token, ledger.Event{Kind: ledger.Lock, Result: ledger.OK, Why: text})
}

// tidy puts right what a killed command left: half-staged copies, started and never routed releases, verdicts that never
// reached the ledger.
func (r *run) tidy() error {
	if n := r.host.dropHalfStaged(); n > 0 {
		r.host.notify("tidy", fmt.Sprintf("removed %d half-staged copies", n))
	}
	if err := r.host.catchUp(r.ctx, r.lock, r.view); err != nil {
		return err
	}
	keep := map[string]bool{}
	if rt := r.view.route; rt != nil {
		keep[rt.Active.Release] = true
		if rt.Standby != nil {
			keep[rt.Standby.Release] = true
		}
	}
	return r.stopOthers(keep)
}

// catchUp writes what the edge knows and the ledger does not: a swap or a rollback whose command died, or could not
// write, before it was recorded.
func (h *Host) catchUp(ctx context.Context, l *lock, v *view) error {
	if v.route == nil {
		return nil
	}
	var events []ledger.Event
	inLedger := map[string]*Release{}
	fold(v.log.Events, inLedger)
	known := func(id string) Release {
		if r := inLedger[id]; r != nil {
			return *r
		}
		return Release{}
	}
	a := v.active()
	const why = "found in charge; the command that put it there did not record it"
	if known(a.ID).Served.IsZero() {
		events = append(events, ledger.Event{Kind: ledger.Swap, ReleaseID: a.ID, Version: a.Version, Result: ledger.OK, Why: why})
	}
	if a.Verdict == Unproven && a.Warm && ready(ctx, v.route.Active.Socket) == nil {
		events = append(events, ledger.Event{Kind: ledger.Verdict, ReleaseID: a.ID, Version: a.Version, Result: ledger.Good, Why: why})
		a.Verdict = ledger.Good
	}
	for _, id := range v.route.Rejected {
		if known(id).Verdict != ledger.Bad {
			_, version, _ := splitID(id)
			events = append(events, ledger.Event{Kind: ledger.Verdict, ReleaseID: id, Version: version, Result: ledger.Bad, Why: "left by a rollback that could not record it"})
		}
	}
	if len(events) == 0 {
		return nil
	}
	return h.record(ctx, l.token, events...)
}

func (r *run) stage() error {
	h := r.host
	seq := r.view.nextSeq()
	rel := &Release{ID: fmt.Sprintf("%d-%s", seq, r.bundle.manifest.Version), Version: r.bundle.manifest.Version, Verdict: Unproven, seq: seq}
	start := time.Now()
	if err := h.stage(r.bundle, rel.ID, r.lock.token); err != nil {
		return err
	}
	r.rel, r.res.Release, r.res.Version = rel, rel.ID, rel.Version
	h.notify("stage", fmt.Sprintf("%s staged: %d files, %d bytes, every digest checked", rel.ID, len(r.bundle.files)+1, r.bundle.bytes))
	return h.record(r.ctx, r.lock.token, ledger.Event{
		Kind: ledger.Stage, ReleaseID: rel.ID, Version: rel.Version, Digest: r.bundle.digest, Why: r.req.Why,
		Result: ledger.OK, DurMS: time.Since(start).Milliseconds(),
	})
}

func (r *run) migrate() error {
	start := time.Now()
	r.host.notify("migrate", "running the migrations of "+r.rel.ID)
	if err := r.host.migrate(r.ctx, r.rel, r.bundle.manifest); err != nil {
		return err
	}
	return r.note(ledger.Event{Kind: ledger.Expand, Result: ledger.OK, DurMS: time.Since(start).Milliseconds()})
}

func (r *run) start() (err error) {
	if r.started, err = r.host.start(r.ctx, r.rel, r.bundle.manifest); err != nil {
		return err
	}
	r.host.notify("start", fmt.Sprintf("%s runs as process %d", r.rel.ID, r.started.PID))
	return nil
}

func (r *run) ready() error {
	start := time.Now()
	if err := r.host.waitReady(r.ctx, r.started, ready); err != nil {
		return err
	}
	took := time.Since(start)
	r.host.notify("ready", fmt.Sprintf("%s is ready after %s", r.rel.ID, took.Round(time.Millisecond)))
	return r.note(ledger.Event{Kind: ledger.Start, Result: ledger.OK, DurMS: took.Milliseconds()})
}

func (r *run) smoke() error {
	if err := healthy(r.ctx, r.started.rec.Socket); err != nil {
		return fault.New(fault.Failed, "the release is ready and not healthy: %s%s", err, logTail(r.started.log)).WithCode("smoke")
	}
	if !r.started.Alive() {
		return fault.New(fault.Failed, "the release ended before the swap%s", logTail(r.started.log)).WithCode("died")
	}
	return nil
}

func (r *run) swap() error {
	h := r.host
	ch := edge.Change{App: h.opts.App, Active: r.target(r.rel), Token: r.lock.token, Durable: true}
	if r.old != nil {
		ch.Expect = r.old.ID
	}
	done, err := h.apply(r.ctx, ch)
	if r.unsure = errors.Is(err, fault.Unavailable); r.unsure {
		return fault.Wrap(err, fault.Failed, "the edge went away during the swap; both releases run, and the edge's routes say which one serves once it is back").
			WithHint("`platctl edge --detach`, then `platctl status`")
	}
	if err != nil {
		return err
	}
	r.swapped, r.res.SwapNS = true, done.SwapNS
	h.notify("swap", fmt.Sprintf("%s serves; routing was locked for %s", r.rel.ID, time.Duration(done.SwapNS)))
	r.noteOrWarn(ledger.Event{Kind: ledger.Swap, From: ch.Expect, Why: r.req.Why, Result: ledger.OK})
	return nil
}

// apply asks the edge for a change. Where the answer got lost it finds out what happened: the change is not interrupted,
// because then nobody would know who serves.
func (h *Host) apply(ctx context.Context, ch edge.Change) (*edge.Changed, error) {
	ctx = context.WithoutCancel(ctx)
	done, err := h.Edge().Apply(ctx, ch)
	if err == nil || !errors.Is(err, fault.Unavailable) {
		return done, err
	}
	st, serr := h.Edge().State(ctx)
	if serr != nil {
		return nil, err
	}
	if rt := st.Route(h.opts.App); rt != nil && rt.Active == ch.Active {
		return &edge.Changed{Route: *rt}, nil
	}
	return nil, err
}

func (r *run) roles() error {
	r.warnings(r.host.tellRoles(r.ctx, r.lock.token, r.rel, r.old))
	return nil
}

// tellRoles signals who is in charge. A release that does not listen costs a warning: traffic is with the right one.
func (h *Host) tellRoles(ctx context.Context, token uint64, active, standby *Release) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var warnings []string
	tell := func(rel *Release, to role.Role) {
		if rel == nil || rel.process == nil || !rel.process.Process.Alive() {
			return
		}
		d := role.Document{Role: to, Token: token, Release: rel.ID, At: h.opts.Now()}
		if err := role.Send(ctx, rel.process.Control, d); err != nil {
			warnings = append(warnings, fmt.Sprintf("%s did not take the role %s: %s", rel.ID, to, fault.From(err).Message))
		}
	}
	tell(active, role.Active)
	tell(standby, role.Standby)
	return warnings
}

func (r *run) drain() error {
	left, err := r.host.Edge().Drain(r.ctx, r.host.opts.App, r.old.ID, r.host.opts.DrainTimeout)
	switch {
	case err != nil:
		r.warnings([]string{"waiting for " + r.old.ID + " ended: " + fault.From(err).Message})
	case left > 0:
		r.warnings([]string{fmt.Sprintf("%s still has %d requests after %s; it goes on in standby", r.old.ID, left, r.host.opts.DrainTimeout)})
	default:
		r.host.notify("drain", r.old.ID+" is drained and stays warm in standby")
	}
	return nil
}

// confirm looks at the new release once more, now that it has had traffic. A dead one is taken back.
func (r *run) confirm() error {
	ctx := context.WithoutCancel(r.ctx)
	if r.started.Alive() {
		return nil
	}
	text := fmt.Sprintf("%s ended after the swap%s", r.rel.ID, logTail(r.started.log))
	back := ". There is no release to go back to: nothing serves"
	if r.old != nil && r.old.process != nil {
		back = fmt.Sprintf(". %s serves again", r.old.ID)
		_, err := r.host.apply(ctx, edge.Change{
			App: r.host.opts.App, Expect: r.rel.ID, Active: r.target(r.old), Reject: r.rel.ID, Token: r.lock.token,
		})
		if err != nil {
			back = ". Going back failed: " + fault.From(err).Message
		}
		r.warnings(r.host.tellRoles(ctx, r.lock.token, r.old, nil))
	}
	r.noteOrWarn(ledger.Event{Kind: ledger.Verdict, Result: ledger.Bad, Why: "it ended after the swap"})
	return fault.New(fault.Failed, "%s%s", text, back).WithCode("died")
}

func (r *run) retire() error {
	if context.Cause(r.ctx) != nil {
		return nil // interrupted: the next deploy's tidy stops them
	}
	keep := map[string]bool{r.rel.ID: true}
	if r.old != nil {
		keep[r.old.ID] = true
	}
	if err := r.stopOthers(keep); err != nil {
		r.warnings([]string{fault.From(err).Message})
	}
	return nil
}

// stopOthers ends every release process that is not in keep, once the edge has nothing in flight there.
func (r *run) stopOthers(keep map[string]bool) error {
	for _, rel := range r.view.releases {
		if keep[rel.ID] || !rel.Present {
			continue
		}
		if err := r.host.stop(r.ctx, rel); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) verdict() error {
	c := r.host.count(r.ctx, r.rel.ID)
	r.noteOrWarn(ledger.Event{Kind: ledger.Verdict, Result: ledger.Good, Counters: c, Why: r.req.Why})
	if err := context.Cause(r.ctx); err != nil {
		return fault.New(fault.Canceled, "interrupted; %s serves", r.rel.ID).WithHint("nothing is left to do; `platctl status` shows it")
	}
	return nil
}

// note writes an event about the release under way.
func (r *run) note(e ledger.Event) error {
	if e.ReleaseID == "" {
		e.ReleaseID, e.Version = r.rel.ID, r.rel.Version
	}
	return r.host.record(r.ctx, r.lock.token, e)
}

// noteOrWarn is note where a ledger that can't be written must not stop what happens.
func (r *run) noteOrWarn(e ledger.Event) {
	if err := r.note(e); err != nil {
		r.warnings([]string{"not in the ledger: " + fault.From(err).Error()})
	}
}

func (r *run) warnings(texts []string) {
	for _, t := range texts {
		r.host.warn("deploy", t)
		r.res.Warnings = append(r.res.Warnings, t)
	}
}
