package deploy

import (
	"context"

	"github.com/platctl/platctl/internal/ops/ledger"
)

// Retained is a release whose files are on this host and that a deploy or a rollback may put in charge.
type Retained struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Dir     string `json:"dir"`
}

// Retained lists them, the oldest first. A bad one is none: nothing goes back to it.
func (h *Host) Retained(ctx context.Context) []Retained {
	out := []Retained{}
	for _, r := range h.look(ctx).releases {
		if r.Present && r.Verdict != ledger.Bad {
			out = append(out, Retained{ID: r.ID, Version: r.Version, Dir: h.releaseDir(r.ID)})
		}
	}
	return out
}
