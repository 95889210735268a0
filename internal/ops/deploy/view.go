package deploy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/unixsock"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
	"github.com/platctl/platctl/internal/ops/process"
)

// Unproven is the verdict of a release that has not served yet, or whose deploy did not finish.
const Unproven = "unproven"

// Release is one release on this host, from its directory, its process and the ledger.
type Release struct {
	ID      string    `json:"id"` // <number>-<version>
	Version string    `json:"version"`
	Verdict string    `json:"verdict"` // unproven, good or bad
	Served  time.Time `json:"served,omitzero"`
	Warm    bool      `json:"warm"`    // its process runs and takes connections
	Present bool      `json:"present"` // its files are on the disk

	seq     int
	digest  string // of the manifest, from the ledger
	process *procRecord
}

// procRecord is process.json in a release's directory, schema platctl.process/v1.
type procRecord struct {
	Schema  string     `json:"schema"`
	Process process.ID `json:"process"`
	Socket  string     `json:"socket"`
	Control string     `json:"control_socket"`
	Started time.Time  `json:"started"`
}

// maxRecord bounds process.json and deploy.lock, which have a few hundred bytes.
const maxRecord = 64 << 10

// view is everything that is known about an app, read without changing anything.
type view struct {
	edge     *edge.State
	edgeErr  error
	route    *edge.RouteState // nil: none, or no edge
	log      *ledger.Log
	logErr   error
	releases []*Release // in the order of their numbers
}

// look reads the state of the app. What can't be read is left out and noted: a rollback works with what is left.
func (h *Host) look(ctx context.Context) *view {
	v := &view{}
	if v.edge, v.edgeErr = h.Edge().State(ctx); v.edgeErr == nil {
		v.route = v.edge.Route(h.opts.App)
	}
	if v.log, v.logErr = ledger.ReadFile(h.ledgerPath()); v.logErr != nil {
		v.log = &ledger.Log{}
	}
	found := map[string]*Release{}
	h.scan(found)
	fold(v.log.Events, found)
	if v.route != nil {
		for _, id := range v.route.Rejected {
			if r := found[id]; r != nil {
				r.judge(ledger.Bad)
			}
		}
	}
	for _, r := range found {
		v.releases = append(v.releases, r)
	}
	slices.SortFunc(v.releases, func(a, b *Release) int { return a.seq - b.seq })
	return v
}

// scan finds the releases on the disk.
func (h *Host) scan(found map[string]*Release) {
	entries, _ := os.ReadDir(h.path("releases"))
	for _, e := range entries {
		seq, version, ok := splitID(e.Name())
		if !ok || !e.IsDir() {
			continue
		}
		r := &Release{ID: e.Name(), Version: version, Verdict: Unproven, seq: seq}
		_, err := os.Stat(filepath.Join(h.releaseDir(r.ID), manifest.FileName))
		r.Present = err == nil
		if r.process = h.readRecord(r.ID); r.process != nil {
			r.Warm = r.process.Process.Alive() && unixsock.Answers(r.process.Socket)
		}
		found[r.ID] = r
	}
}

// fold adds what the ledger knows.
func fold(events []ledger.Event, found map[string]*Release) {
	get := func(id string) *Release {
		seq, version, ok := splitID(id)
		if !ok {
			return &Release{}
		}
		if found[id] == nil {
			found[id] = &Release{ID: id, Version: version, Verdict: Unproven, seq: seq}
		}
		return found[id]
	}
	for _, e := range events {
		switch {
		case e.Kind == ledger.Verdict:
			get(e.ReleaseID).judge(e.Result)
		case e.Result != ledger.OK:
		case e.Kind == ledger.Stage:
			get(e.ReleaseID).digest = e.Digest
		case e.Kind == ledger.Swap:
			get(e.ReleaseID).Served = e.TS
		case e.Kind == ledger.Rollback:
			get(e.ReleaseID).Served = e.TS
			get(e.From).judge(ledger.Bad)
		}
	}
}

// judge takes a verdict. Bad is the last one a release gets.
func (r *Release) judge(verdict string) {
	if r.Verdict != ledger.Bad && (verdict == ledger.Good || verdict == ledger.Bad) {
		r.Verdict = verdict
	}
}

func splitID(id string) (seq int, version string, ok bool) {
	num, version, found := strings.Cut(id, "-")
	seq, err := strconv.Atoi(num)
	return seq, version, found && err == nil && seq > 0 && versionText.MatchString(version)
}

func (v *view) get(id string) *Release {
	for _, r := range v.releases {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// active returns the release in charge, or nil. One whose files are gone still has a name.
func (v *view) active() *Release {
	if v.route == nil {
		return nil
	}
	if r := v.get(v.route.Active.Release); r != nil {
		return r
	}
	_, version, _ := splitID(v.route.Active.Release)
	return &Release{ID: v.route.Active.Release, Version: version, Verdict: Unproven}
}

// nextSeq counts from numbers, never from times: clocks go back.
func (v *view) nextSeq() int {
	top := 0
	for _, r := range v.releases {
		top = max(top, r.seq)
	}
	return top + 1
}

// tokenFloor is the highest fencing token that was ever used as far as anyone remembers.
func (v *view) tokenFloor() uint64 {
	floor := v.log.LastToken()
	if v.route != nil {
		floor = max(floor, v.route.Token)
	}
	return floor
}

func (h *Host) readRecord(id string) *procRecord {
	data, err := durable.ReadFile(filepath.Join(h.releaseDir(id), "process.json"), maxRecord)
	var r procRecord
	if err != nil || recordSchema().Decode(data, &r) != nil {
		return nil
	}
	return &r
}

func (h *Host) writeRecord(id string, r procRecord) error {
	r.Schema = recordSchema().String()
	data, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a process record can't be encoded")
	}
	return durable.WriteFile(filepath.Join(h.releaseDir(id), "process.json"), append(data, '\n'), 0o640)
}
