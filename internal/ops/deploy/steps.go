package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// Request says what to deploy.
type Request struct {
	Dir         string // a release directory
	Why         string // for the ledger
	SkipMigrate bool
}

// Plan is what a deploy would do.
type Plan struct {
	App      string   `json:"app"`
	Release  string   `json:"release"` // the name it will have
	Version  string   `json:"version"`
	Digest   string   `json:"digest"` // SHA-256 of its manifest
	Files    int      `json:"files"`
	Bytes    int64    `json:"bytes"`
	Replaces string   `json:"replaces,omitempty"` // the release in charge now
	Migrate  bool     `json:"migrate"`
	Stops    []string `json:"stops"` // running releases that end: neither in charge nor kept warm afterwards
	Steps    []string `json:"steps"`
}

// Result is what a deploy did.
type Result struct {
	App      string   `json:"app"`
	Release  string   `json:"release"`
	Version  string   `json:"version"`
	Previous string   `json:"previous,omitempty"`
	Token    uint64   `json:"fencing_token"`
	SwapNS   int64    `json:"swap_ns"` // how long the edge's routing was locked
	TotalMS  int64    `json:"total_ms"`
	Steps    []Timing `json:"steps"`
	Warnings []string `json:"warnings,omitempty"`
}

// Timing is how long a step took.
type Timing struct {
	Step string `json:"step"`
	MS   int64  `json:"ms"`
}

// run is one deploy under way.
type run struct {
	host   *Host
	req    Request
	ctx    context.Context
	lock   *lock
	view   *view
	bundle *bundle

	rel     *Release
	old     *Release // in charge before; nil on the first deploy
	started *started
	swapped bool
	unsure  bool // the edge went away during the swap: either release may be in charge
	res     Result
}

type step struct {
	name string
	run  func(*run) error
	skip func(*run) string // a reason, or ""
}

// steps is a deploy from beginning to end. Until swap has returned the old release serves, and a failure stops there;
// after it the new one does, and only confirm can fail.
func steps() []step {
	return []step{
		{name: "check", run: (*run).check},                      // every digest; an edge that answers; room on the disk
		{name: "lock", run: (*run).takeLock},                    // one command at a time
		{name: "tidy", run: (*run).tidy},                        // what a killed deploy left
		{name: "stage", run: (*run).stage},                      // a copy of our own, whole or not at all
		{name: "migrate", run: (*run).migrate, skip: noMigrate}, // expand, while the old release serves
		{name: "start", run: (*run).start},                      // detached
		{name: "ready", run: (*run).ready},                      // its own word that it takes traffic
		{name: "smoke", run: (*run).smoke},                      // and one request to see
		{name: "swap", run: (*run).swap},                        // compare-and-swap at the edge
		{name: "roles", run: (*run).roles},                      // new: active, old: standby
		{name: "drain", run: (*run).drain, skip: firstDeploy},   // the old one finishes what it began
		{name: "confirm", run: (*run).confirm},                  // alive under traffic, or back to the old one
		{name: "retire", run: (*run).retire},                    // standbys older than the old one
		{name: "verdict", run: (*run).verdict},                  // good: from now on a target of a rollback
	}
}

// Plan checks the release directory and says what Deploy would do. It changes nothing.
func (h *Host) Plan(ctx context.Context, req Request) (*Plan, error) {
	r := &run{host: h, req: req, ctx: ctx}
	if err := r.check(); err != nil {
		return nil, fault.Op("plan deploy", err)
	}
	p := &Plan{
		App: h.opts.App, Version: r.bundle.manifest.Version, Digest: r.bundle.digest, Files: len(r.bundle.files) + 1,
		Bytes: r.bundle.bytes, Migrate: noMigrate(r) == "", Stops: []string{},
	}
	p.Release = fmt.Sprintf("%d-%s", r.view.nextSeq(), p.Version)
	if r.old = r.view.active(); r.old != nil {
		p.Replaces = r.old.ID
	}
	for _, rel := range r.view.releases {
		if rel.Warm && rel.ID != p.Replaces {
			p.Stops = append(p.Stops, rel.ID)
		}
	}
	for _, s := range steps() {
		if s.skip == nil || s.skip(r) == "" {
			p.Steps = append(p.Steps, s.name)
		}
	}
	return p, nil
}

// Deploy brings the release in req.Dir into charge. On an error the old release serves, unless the message says otherwise.
func (h *Host) Deploy(ctx context.Context, req Request) (*Result, error) {
	begin := time.Now()
	r := &run{host: h, req: req, ctx: ctx, res: Result{App: h.opts.App}}
	defer func() {
		if r.lock != nil {
			r.lock.release()
		}
	}()
	for _, s := range steps() {
		if err := r.do(s); err != nil {
			return nil, r.abandon(s.name, err)
		}
	}
	r.res.TotalMS = time.Since(begin).Milliseconds()
	return &r.res, nil
}

func (r *run) do(s step) error {
	if s.skip != nil {
		if why := s.skip(r); why != "" {
			r.host.notify(s.name, "skipped: "+why)
			return nil
		}
	}
	if err := context.Cause(r.ctx); err != nil && !r.swapped {
		return err
	}
	start := time.Now()
	err := s.run(r)
	r.res.Steps = append(r.res.Steps, Timing{Step: s.name, MS: time.Since(start).Milliseconds()})
	return err
}

// abandon cleans up after a failed step and returns the error to show, which says what serves now.
func (r *run) abandon(step string, err error) error {
	if r.lock == nil { // nothing was begun
		return fault.Op("deploy", r.interrupted(err))
	}
	if r.swapped || r.unsure {
		return fault.Op("deploy", err)
	}
	if r.started != nil && r.started.Alive() {
		r.host.notify(step, "stopping "+r.rel.ID)
		if kerr := r.started.Stop(context.WithoutCancel(r.ctx), killGrace); kerr != nil {
			r.host.warn(step, "it does not end: "+kerr.Error())
		}
	}
	if r.rel != nil {
		result := ledger.Failed
		if errors.Is(err, fault.Canceled) || errors.Is(err, context.Canceled) {
			result = ledger.Interrupted
		}
		r.noteOrWarn(ledger.Event{
			Kind: kindOf(step), ReleaseID: r.rel.ID, Version: r.rel.Version, Result: result, Why: firstLine(fault.From(err).Message),
		})
	}
	return fault.Op("deploy stopped, "+r.inCharge(), r.interrupted(err))
}

// inCharge says who answers when the swap did not happen.
func (r *run) inCharge() string {
	if r.old == nil {
		return "nothing serves yet"
	}
	return r.old.ID + " is still in charge"
}

// interrupted gives a deploy that was stopped from outside its next step.
func (r *run) interrupted(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Canceled, "interrupted").WithHint("run it again; it cleans up what this one left")
}

func kindOf(step string) ledger.Kind {
	switch step {
	case "stage":
		return ledger.Stage
	case "migrate":
		return ledger.Expand
	case "swap":
		return ledger.Swap
	}
	return ledger.Start
}

func noMigrate(r *run) string {
	switch {
	case r.bundle.manifest.Database.BuiltFor == 0:
		return "the release has no database"
	case r.req.SkipMigrate:
		return "as asked"
	}
	return ""
}

func firstDeploy(r *run) string {
	if r.old == nil {
		return "nothing served before"
	}
	return ""
}

func (r *run) target(rel *Release) edge.Target {
	return edge.Target{Release: rel.ID, Socket: rel.process.Socket}
}
