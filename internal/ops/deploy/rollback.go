package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// RollbackPlan is what a rollback would do.
type RollbackPlan struct {
	App     string    `json:"app"`
	From    string    `json:"from"` // in charge now; it will be bad for ever
	To      string    `json:"to"`
	Version string    `json:"version"`         // of To
	Served  time.Time `json:"served,omitzero"` // when To was last put in charge
	Warm    bool      `json:"warm"`            // To's process runs: the swap is immediate
	Notes   []string  `json:"notes,omitempty"`
}

// RollbackResult is what a rollback did.
type RollbackResult struct {
	RollbackPlan
	Token      uint64   `json:"fencing_token"`
	RestoredMS int64    `json:"restored_ms"` // from the command's start, without the question, until traffic was on To
	SwapNS     int64    `json:"swap_ns"`
	Recorded   bool     `json:"recorded"` // the ledger has it; the edge remembers the bad release in any case
	Warnings   []string `json:"warnings,omitempty"`
}

// PlanRollback chooses where to go: to (a release, or a version), or the last good release that is not in charge.
func (h *Host) PlanRollback(ctx context.Context, to string) (*RollbackPlan, error) {
	v := h.look(ctx)
	p, _, err := h.planRollback(v, to)
	return p, fault.Op("rollback", err)
}

func (h *Host) planRollback(v *view, to string) (*RollbackPlan, *Release, error) {
	if v.edgeErr != nil {
		return nil, nil, v.edgeErr
	}
	from := v.active()
	if from == nil {
		return nil, nil, fault.New(fault.No, "nothing of %s is deployed", h.opts.App).WithHint("`platctl deploy <dir>` deploys a release")
	}
	rel, err := v.target(from, to)
	if err != nil {
		return nil, nil, err
	}
	p := &RollbackPlan{App: h.opts.App, From: from.ID, To: rel.ID, Version: rel.Version, Served: rel.Served, Warm: rel.Warm}
	if v.logErr != nil {
		p.Notes = append(p.Notes, "the ledger can't be read: "+v.logErr.Error())
	}
	if err := v.log.Err(); err != nil {
		p.Notes = append(p.Notes, err.Error())
	}
	if rel.Verdict != ledger.Good {
		p.Notes = append(p.Notes, rel.ID+" is unproven: it never served, or its deploy did not finish")
	}
	if !rel.Warm {
		p.Notes = append(p.Notes, rel.ID+" does not run; it is started and has to become ready first")
	}
	return p, rel, nil
}

// target chooses the release to go back to.
func (v *view) target(from *Release, to string) (*Release, error) {
	if to != "" {
		return v.named(from, to)
	}
	for i := len(v.releases) - 1; i >= 0; i-- {
		if r := v.releases[i]; r.ID != from.ID && r.Verdict == ledger.Good && r.Present {
			return r, nil
		}
	}
	next := "deploy a release that works"
	if slices.ContainsFunc(v.releases, func(r *Release) bool { return r.ID != from.ID && r.Verdict == Unproven && r.Present }) {
		next += ", or name one that is unproven with --to"
	}
	return nil, fault.New(fault.NeedsPerson, "there is no good release to go back to from %s%s", from.ID, v.others(from)).
		WithCode("no_target").WithHint("%s", next)
}

// named finds a release by its name or version. A bad one is refused: it was left because it did not work.
func (v *view) named(from *Release, to string) (*Release, error) {
	version := strings.TrimPrefix(to, "v")
	found := v.lookup(from, to, version)
	switch {
	case found == from, found == nil && version == from.Version:
		return nil, fault.New(fault.No, "%s serves already", from.ID)
	case found == nil:
		return nil, fault.New(fault.NotFound, "there is no release %q%s", to, v.others(from))
	case found.Verdict == ledger.Bad:
		return nil, fault.New(fault.No, "%s is bad: a rollback left it", found.ID).WithCode("bad").
			WithHint("deploy it again if it should get another chance")
	case !found.Present:
		return nil, fault.New(fault.No, "the files of %s are gone", found.ID).WithCode("gone").WithHint("deploy it again")
	}
	return found, nil
}

// lookup returns the release with that name, else of that version the one that is likeliest to work, the latest of
// several. One in charge is left out; a bad one or one without files is found to be refused by name.
func (v *view) lookup(from *Release, id, version string) *Release {
	if id == from.ID {
		return from
	}
	var found *Release
	for _, r := range v.releases {
		if r.ID == id {
			return r
		}
		if r.Version == version && r.ID != from.ID && (found == nil || r.promise() >= found.promise()) {
			found = r
		}
	}
	return found
}

// promise ranks releases of one version: a proven one beats a later one whose deploy did not finish.
func (r *Release) promise() int {
	switch {
	case r.Verdict == ledger.Bad:
		return 0
	case !r.Present:
		return 1
	case r.Verdict != ledger.Good:
		return 2
	}
	return 3
}

// others lists the releases for a message.
func (v *view) others(from *Release) string {
	var list []string
	for i := len(v.releases) - 1; i >= 0 && len(list) < 5; i-- {
		if r := v.releases[i]; r.ID != from.ID {
			list = append(list, r.ID+" is "+r.Verdict)
		}
	}
	if len(list) == 0 {
		return "; it is the only one"
	}
	return "; " + strings.Join(list, ", ")
}

// Rollback carries out p. Traffic first: nothing that needs a disk, the database or the network can stop the swap.
func (h *Host) Rollback(ctx context.Context, p *RollbackPlan, why string) (*RollbackResult, error) {
	begin := time.Now()
	v := h.look(ctx)
	ctx, l, err := h.acquire(ctx, "rollback", v.tokenFloor(), true)
	if err != nil {
		return nil, fault.Op("rollback", err)
	}
	defer l.release()
	v = h.look(ctx)
	now, rel, err := h.planRollback(v, p.To)
	if err == nil && now.From != p.From {
		err = fault.New(fault.Conflict, "%s serves now, not %s: someone deployed meanwhile", now.From, p.From).
			WithHint("look at `platctl status` and decide again")
	}
	if err != nil {
		return nil, fault.Op("rollback", err)
	}
	res := &RollbackResult{RollbackPlan: *now, Token: l.token}
	if err := h.warmUp(ctx, v, rel); err != nil {
		return nil, fault.Op("rollback", err)
	}
	done, err := h.apply(ctx, edge.Change{
		App: h.opts.App, Expect: p.From, Reject: p.From, Token: l.token,
		Active: edge.Target{Release: rel.ID, Socket: rel.process.Socket},
	})
	if err != nil {
		return nil, fault.Op("rollback", err)
	}
	res.SwapNS, res.RestoredMS = done.SwapNS, time.Since(begin).Milliseconds()
	h.notify("swap", fmt.Sprintf("%s serves again, %d ms after the start", rel.ID, res.RestoredMS))
	if done.Stored != "" {
		res.Warnings = append(res.Warnings, done.Stored)
	}
	res.Warnings = append(res.Warnings, h.tellRoles(ctx, l.token, rel, v.active())...)
	h.recordRollback(ctx, l, res, why)
	for _, w := range res.Warnings {
		h.warn("rollback", w)
	}
	return res, nil
}

// recordRollback writes the ledger, last. Where that fails the edge still remembers which release is bad, and the next
// command that can write catches up.
func (h *Host) recordRollback(ctx context.Context, l *lock, res *RollbackResult, why string) {
	_, fromVersion, _ := splitID(res.From)
	if err := h.noteTakeover(ctx, l); err != nil {
		h.warn("rollback", "not in the ledger: "+fault.From(err).Error())
	}
	err := h.record(ctx, l.token,
		ledger.Event{
			Kind: ledger.Rollback, ReleaseID: res.To, Version: res.Version, From: res.From, Why: why, Result: ledger.OK,
			DurMS: res.RestoredMS, Counters: h.count(ctx, res.From),
		},
		ledger.Event{Kind: ledger.Verdict, ReleaseID: res.From, Version: fromVersion, Result: ledger.Bad, Why: why},
	)
	res.Recorded = err == nil
	if err != nil {
		res.Warnings = append(res.Warnings, "traffic is back, and the ledger does not have it: "+fault.From(err).Error())
	}
}

// warmUp makes sure that rel takes connections: at once where its process works, else by starting it from files whose
// digests are checked again.
func (h *Host) warmUp(ctx context.Context, v *view, rel *Release) error {
	if rel.Warm && healthy(ctx, rel.process.Socket) == nil {
		return nil
	}
	b, err := openBundle(h.releaseDir(rel.ID))
	if err != nil {
		return err
	}
	if rel.digest != "" && b.digest != rel.digest {
		return fault.New(fault.Invalid, "the manifest of %s is not the one that was deployed", rel.ID).WithCode("wrong_digest").
			WithHint("choose another release with --to")
	}
	if rel.process != nil {
		if err := rel.process.Process.Stop(ctx, killGrace); err != nil {
			return fault.Wrap(err, fault.Failed, "the old process of %s does not end", rel.ID)
		}
	}
	s, err := h.start(ctx, rel, b.manifest)
	if err != nil {
		return err
	}
	h.notify("start", fmt.Sprintf("%s runs as process %d", rel.ID, s.PID))
	if err := h.waitReady(ctx, s, v.acceptable(h)); err != nil {
		_ = s.Stop(context.WithoutCancel(ctx), killGrace)
		return err
	}
	return nil
}

// acceptable is the gate of a rollback. A release that is not ready although it is healthy is let through when the one
// in charge is not ready either: then the database or another dependency is down, which is no reason to stay.
func (v *view) acceptable(h *Host) func(context.Context, string) error {
	return func(ctx context.Context, socket string) error {
		err := ready(ctx, socket)
		if err == nil || healthy(ctx, socket) != nil || ready(ctx, v.route.Active.Socket) == nil {
			return err
		}
		h.warn("ready", "neither release is ready, so something both need is down; going by /api/health")
		return nil
	}
}
