package deploy

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/base/unixsock"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// Status is what runs for an app.
type Status struct {
	App      string       `json:"app"`
	Serving  bool         `json:"serving"` // an edge routes to a release that answers
	Edge     EdgeStatus   `json:"edge"`
	Active   *Running     `json:"active,omitempty"`
	Standby  *Running     `json:"standby,omitempty"`
	Rollback RollbackInfo `json:"rollback"`
	Lock     *LockDoc     `json:"lock,omitempty"` // held by someone now
	Events   int          `json:"ledger_events"`
	Problems []string     `json:"problems,omitempty"`
}

// EdgeStatus is the edge in short.
type EdgeStatus struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Listen  string    `json:"listen,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Running is a release that the edge knows, with its counts since the edge started.
type Running struct {
	Release
	Alive  bool       `json:"alive"`
	PID    int        `json:"pid,omitempty"`
	Since  time.Time  `json:"since,omitzero"` // the process
	Role   role.Role  `json:"role,omitempty"` // what it says it is
	Counts edge.Count `json:"counts"`
}

// RollbackInfo says where a rollback would go, or why nowhere.
type RollbackInfo struct {
	To   string `json:"to,omitempty"`
	Warm bool   `json:"warm"`
	Why  string `json:"why,omitempty"`
}

// Status looks at everything and changes nothing. The error is of kind No when nothing serves; the Status is complete
// in that case too.
func (h *Host) Status(ctx context.Context) (*Status, error) {
	v := h.look(ctx)
	s := &Status{App: h.opts.App, Events: len(v.log.Events)}
	if d := h.readLock(); d.Token > 0 && !d.Released && h.held(d) {
		s.Lock = &d
	}
	if err := v.log.Err(); err != nil {
		s.problem(err.Error())
	}
	if v.logErr != nil {
		s.problem(v.logErr.Error())
	}
	s.Rollback = rollbackInfo(h, v)
	if v.edgeErr != nil {
		return s, fault.New(fault.No, "nothing serves: no edge runs for %s", h.opts.App).WithHint("`platctl edge --detach` starts it")
	}
	s.Edge = EdgeStatus{Running: true, PID: v.edge.Process.PID, Listen: v.edge.Listen, Version: v.edge.Version, Since: v.edge.Since}
	s.Problems = append(s.Problems, v.edge.Problems...)
	if v.route == nil {
		return s, fault.New(fault.No, "nothing serves: no release of %s is deployed", h.opts.App).WithHint("`platctl deploy <dir>` deploys one")
	}
	s.Active = h.running(ctx, v, v.route.Active)
	if v.route.Standby != nil {
		s.Standby = h.running(ctx, v, *v.route.Standby)
	}
	if s.Serving = healthy(ctx, v.route.Active.Socket) == nil; !s.Serving {
		return s, h.down(s)
	}
	if s.Active.Role == role.Standby {
		s.problem(s.Active.ID + " serves and believes to be in standby: its background work is paused; deploy again to put it right")
	}
	return s, nil
}

// down says what is the matter when the release in charge does not answer, and what brings service back.
func (h *Host) down(s *Status) error {
	text := "nothing serves: %s is in charge and does not answer /api/health"
	if !s.Active.Alive && s.Standby != nil && s.Standby.Warm && s.Standby.Verdict != ledger.Bad {
		text = "%s is in charge and takes no connections; the edge gives them to " + s.Standby.ID + " for now"
	}
	dir := h.releaseDir(s.Active.ID)
	next := fmt.Sprintf("`platctl deploy %s` starts it anew; its log is %s", dir, filepath.Join(dir, "release.log"))
	if s.Rollback.To != "" {
		next = fmt.Sprintf("`platctl rollback` goes back to %s, and %s", s.Rollback.To, next)
	}
	return fault.New(fault.No, text, s.Active.ID).WithHint("%s", next)
}

func (s *Status) problem(text string) { s.Problems = append(s.Problems, text) }

func (h *Host) running(ctx context.Context, v *view, t edge.Target) *Running {
	r := &Running{Counts: v.route.Count(t.Release), Alive: unixsock.Answers(t.Socket)}
	if rel := v.get(t.Release); rel != nil {
		r.Release = *rel
	} else {
		r.ID, r.Verdict = t.Release, Unproven
	}
	if p := r.process; p != nil && p.Process.Alive() {
		r.PID, r.Since = p.Process.PID, p.Started
		ctx, cancel := context.WithTimeout(ctx, probeLimit)
		defer cancel()
		if d, err := role.Get(ctx, p.Control); err == nil {
			r.Role = d.Role
		}
	}
	return r
}

func rollbackInfo(h *Host, v *view) RollbackInfo {
	p, _, err := h.planRollback(v, "")
	if err != nil {
		return RollbackInfo{Why: fault.From(err).Message}
	}
	return RollbackInfo{To: p.To, Warm: p.Warm}
}

// History returns the ledger.
func (h *Host) History() (*ledger.Log, error) {
	log, err := ledger.ReadFile(h.ledgerPath())
	return log, fault.Op("history", err)
}
