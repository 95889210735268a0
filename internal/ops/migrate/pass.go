package migrate

import (
	"context"
	"time"
)

// pass is one file on its way up or down.
type pass struct {
	mg       *Migration
	script   *Script
	down     bool
	adopted  bool // by another tool, which doesn't tell how long it took
	began    time.Time
	progress *Progress // of an earlier run of a backfill
	begun    *begun    // what an earlier run was at when it stopped
}

func (p pass) total() int { return len(p.script.Statements) }

// doneAtEnd is how many statements are done when the file has ended: of a reverted one none is any more.
func (p pass) doneAtEnd() int {
	if p.down {
		return 0
	}
	return p.total()
}

// states returns what the ledger says while the file runs statement by statement, and when it has ended.
func (p pass) states() (during, after State) {
	if p.down {
		return Reverting, Reverted
	}
	return Running, Applied
}

// command is what goes on with a file that has stopped halfway.
func (p pass) command() string {
	if p.down {
		return "platctl migrate down"
	}
	return "platctl migrate up"
}

// changed says what happened to statements that are done.
func (p pass) changed() string {
	if p.down {
		return "reverted"
	}
	return "applied"
}

// record writes the row of a migration, and what happened into the ledger's log. Up writes what the file says; down keeps it.
func (r *runner) record(ctx context.Context, p pass, st State, done int, why string) error {
	sql, args := r.recordSQL(p, st, done, why)
	return r.conn.PgConn().ExecParams(ctx, sql, args, nil, nil, nil).Read().Err
}

func (r *runner) recordSQL(p pass, st State, done int, why string) (string, [][]byte) {
	took := time.Since(p.began)
	if p.adopted {
		took = 0
	}
	args := map[string]any{
		"version": p.mg.Version, "state": st, "total": p.total(), "done": done, "error": why,
		"started_at": p.began, "duration": took, "release": r.m.opts.Release, "tool_version": r.m.opts.ToolVersion,
	}
	if p.down {
		return r.m.recordDown.sql, r.m.recordDown.text(args)
	}
	args["name"], args["phase"] = p.mg.Name, p.mg.Phase
	args["up_stepwise"], args["down_stepwise"] = p.mg.Up.Stepwise, p.mg.Down.Stepwise
	args["up_text"], args["up_sha256"] = p.mg.Up.Text, p.mg.Up.SHA256
	args["down_text"], args["down_sha256"] = p.mg.Down.Text, p.mg.Down.SHA256
	return r.m.record.sql, r.m.record.text(args)
}
