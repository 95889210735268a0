// Package deploy brings a release to this host and takes it back: stage, migrate, start, swap, keep the old one warm;
// and in an emergency swap back.
//
// Invariants:
//   - At every moment, whatever is killed, the edge routes to the old release or to the new one, and the next deploy
//     cleans up what a killed one left.
//   - Only bytes whose digests the manifest names are ever started, and they are checked while they are copied.
//   - One command at a time changes an app: the lock has an owner, a heartbeat and a fencing token that only grows, and
//     both the edge and the releases refuse older tokens.
//   - A rollback runs no migration and needs no database, registry, network or writable disk: traffic first, ledger last.
//   - A release that a rollback left behind is bad for ever; a rollback never goes back to it.
//
// Layout of <root>/<app>: releases/<number>-<version>/ (with release.log and process.json), ledger.jsonl, routes.json,
// deploy.lock, edge.lock, edge.log, run/ with the sockets (a link to a shorter place where the path is too long).
package deploy

import (
	"context"
	"path/filepath"
	"regexp"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// Options configures a Host.
type Options struct {
	Root         string // where apps live
	App          string
	ReadyTimeout time.Duration
	DrainTimeout time.Duration
	LockTTL      time.Duration
	Env          []string // environment of the processes started here
	Actor        ledger.Actor
	Now          func() time.Time
	Notify       func(Progress) // may be nil
}

// Progress is one thing that happened, for whoever watches.
type Progress struct {
	Step string
	Text string
	Warn bool
}

// Host is one app on this host. Its methods may be used one at a time.
type Host struct {
	opts Options
	dir  string
}

var (
	appName     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	versionText = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$`)
)

// New checks the options. It touches nothing.
func New(opts Options) (*Host, error) {
	if !appName.MatchString(opts.App) {
		return nil, fault.New(fault.Config, "deploy.app %q is not a name: lower-case letters, digits and -, at most 32", opts.App)
	}
	root, err := filepath.Abs(opts.Root)
	if err != nil || opts.Root == "" {
		return nil, fault.New(fault.Config, "deploy.root %q is not a folder", opts.Root)
	}
	return &Host{opts: opts, dir: filepath.Join(root, opts.App)}, nil
}

// Dir returns the app's directory.
func (h *Host) Dir() string { return h.dir }

func (h *Host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *Host) ledgerPath() string { return h.path("ledger.jsonl") }

func (h *Host) releaseDir(id string) string { return filepath.Join(h.dir, "releases", id) }

// EdgeLog returns the log of an edge that runs in the background.
func (h *Host) EdgeLog() string { return h.path("edge.log") }

// Edge returns the client of the app's edge.
func (h *Host) Edge() edge.Client {
	return edge.Client{Socket: filepath.Join(h.socketDir(), "edge.sock")}
}

// EdgeOptions fills in the paths of o.
func (h *Host) EdgeOptions(o edge.Options) (edge.Options, error) {
	if err := h.prepare(); err != nil {
		return o, err
	}
	o.ControlSocket, o.RoutesFile, o.LockFile = h.Edge().Socket, h.path("routes.json"), h.path("edge.lock")
	return o, nil
}

func (h *Host) notify(step, text string) {
	if h.opts.Notify != nil {
		h.opts.Notify(Progress{Step: step, Text: text})
	}
}

func (h *Host) warn(step, text string) {
	if h.opts.Notify != nil {
		h.opts.Notify(Progress{Step: step, Text: text, Warn: true})
	}
}

// record appends events to the ledger, filled in with who and which app. A cancelled ctx does not stop it: what happened
// is written down.
func (h *Host) record(ctx context.Context, token uint64, events ...ledger.Event) error {
	for i := range events {
		events[i].App, events[i].Actor, events[i].FencingToken = h.opts.App, h.opts.Actor, token
	}
	_, err := ledger.Append(context.WithoutCancel(ctx), h.ledgerPath(), h.opts.Now(), events...)
	return err
}

func lockSchema() format.Schema   { return format.Schema{Name: "platctl.lock", Version: 1} }
func recordSchema() format.Schema { return format.Schema{Name: "platctl.process", Version: 1} }
