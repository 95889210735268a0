package compat

import (
	"context"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// mostSteps bounds how many migrations above a release are judged one by one; more are judged once, at the end.
const mostSteps = 50

// After builds the schema from the files in an empty database, up to a version, and judges releases on it. Between what a release was built on and the
// end it looks after every migration, so that each finding names the one that did it.
func After(ctx context.Context, url string, m *migrate.Migrator, releases []*Release, to int64) ([]*Report, error) {
	m = m.Quiet()
	first := to
	for _, r := range releases {
		first = min(first, r.Contract.BuiltOn)
	}
	var steps []int64
	for _, mg := range m.Migrations() {
		if mg.Version >= first && mg.Version < to {
			steps = append(steps, mg.Version)
		}
	}
	each := len(steps) <= mostSteps
	if !each {
		steps = nil
	}
	seen := make([]map[string]string, len(releases)) // finding -> the migration after which it was first seen
	out := make([]*Report, len(releases))
	for _, version := range append(steps, to) {
		if _, err := m.Up(ctx, url, version); err != nil {
			return nil, fault.Wrap(err, fault.Failed, "the migrations don't run on an empty database").
				WithHint("they must, for a new installation as for this check")
		}
		for i, r := range releases {
			if version < r.Contract.BuiltOn && version != to {
				continue
			}
			rep, err := judgeAt(ctx, url, r)
			if err != nil {
				return nil, err
			}
			if seen[i] == nil {
				seen[i] = map[string]string{}
			}
			rep.date(seen[i], name(m, version), each && r.Contract.BuiltOn > 0 && version > r.Contract.BuiltOn)
			out[i] = rep
		}
	}
	return out, nil
}

func name(m *migrate.Migrator, version int64) string {
	for _, mg := range m.Migrations() {
		if mg.Version == version {
			return Migration{Version: mg.Version, Name: mg.Name}.ID()
		}
	}
	return ""
}

func judgeAt(ctx context.Context, url string, r *Release) (*Report, error) {
	conn, err := pg.Connect(ctx, url, "platctl migrate compat")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return Judge(ctx, conn, r.Contract, Options{Release: r.Name, App: r.App, Min: r.Min})
}

// date notes since which migration a finding is there, and says so in the report.
func (r *Report) date(seen map[string]string, migration string, above bool) {
	for i := range r.Findings {
		f := &r.Findings[i]
		if _, old := seen[f.key()]; !old {
			if seen[f.key()] = migration; !above {
				seen[f.key()] = ""
			}
		}
		if by := seen[f.key()]; by != "" {
			f.Migrations = []string{by}
		}
	}
}
