package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/ledger"
	"github.com/platctl/platctl/internal/ops/process"
)

// stop ends the process of a release after the edge has nothing in flight there. It finds processes whose starter died
// before writing them down by their socket.
func (h *Host) stop(ctx context.Context, rel *Release) error {
	api, _ := h.sockets(rel.seq)
	var ids []process.ID
	if rel.process != nil && rel.process.Process.Alive() {
		ids = append(ids, rel.process.Process)
	} else if _, err := os.Lstat(api); err == nil || rel.process == nil {
		ids = process.FindByArg(api)
	}
	if len(ids) == 0 {
		return nil
	}
	if n, err := h.Edge().Drain(ctx, h.opts.App, rel.ID, h.opts.DrainTimeout); err == nil && n > 0 {
		h.warn("retire", fmt.Sprintf("%s has %d requests left; it is not stopped now", rel.ID, n))
		return nil
	}
	for _, id := range ids {
		if err := id.Stop(ctx, h.opts.DrainTimeout+killGrace); err != nil {
			return fault.Wrap(err, fault.Failed, "%s (process %d) does not end", rel.ID, id.PID)
		}
	}
	rel.Warm = false
	h.notify("retire", rel.ID+" is stopped")
	return nil
}

// count returns what the edge counted for a release, or nil.
func (h *Host) count(ctx context.Context, id string) *ledger.Counters {
	st, err := h.Edge().State(context.WithoutCancel(ctx))
	if err != nil {
		return nil
	}
	rt := st.Route(h.opts.App)
	if rt == nil {
		return nil
	}
	c := rt.Count(id)
	return &ledger.Counters{Requests: c.Requests, Failed: c.Failed, Retried: c.Retried}
}

// migrateMessage is what `migrate up --json` says went wrong, or the end of what it said otherwise.
func migrateMessage(out []byte, conversation string) string {
	var envelope struct {
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(out, &envelope) == nil && envelope.Error != nil && envelope.Error.Message != "" {
		return envelope.Error.Message
	}
	lines := strings.Split(strings.TrimSpace(conversation), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
