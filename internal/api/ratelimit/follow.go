package ratelimit

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/limits"
)

// poll learns what is in force, how many servers there are and who owes something. Without the debts the rest still holds.
func (s *Service) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	began := s.now()
	var state db.RatelimitStateRow
	err := s.line.do(ctx, func(ctx context.Context, q *db.Queries) (err error) {
		if state, err = q.RatelimitState(ctx); err != nil {
			return err
		}
		if err = s.follow(ctx, q, state.Version); err == nil && time.Since(s.staffAt) > staffEvery {
			s.staffAt = time.Now()
			err = s.upkeep(ctx, q)
		}
		return err
	})
	if err != nil {
		s.limiter.Regroup(0, nil, false)
		return err
	}
	var owed []limits.Debt
	if state.Servers > 1 || s.opts.Accounts != nil { // one server alone shows as well that a Redis is away
		owed, err = s.accounts.Debts(ctx)
	}
	s.limiter.Regroup(int(max(state.Servers, 1)), owed, err == nil)
	s.polled.Store(int64(max(began, 1)))
	s.once.Do(func() { close(s.first) })
	return err
}

// follow puts the newest version into force. One that can't be read leaves the one before; that is told once.
func (s *Service) follow(ctx context.Context, q *db.Queries, newest int64) error {
	if newest == s.version.Load() || newest == s.unreadable {
		return nil
	}
	if newest == 0 {
		s.install(ctx, Version{Policy: s.opts.Declared})
		return nil
	}
	row, err := q.RatelimitPolicy(ctx, newest)
	if err != nil {
		return err
	}
	v, err := read(row)
	if err != nil {
		s.unreadable = newest
		s.opts.Log.ErrorContext(ctx, "the limits stay as they are", "version", newest, "in_force", s.version.Load(), "error", err)
		return nil
	}
	v.Policy = v.Policy.Over(s.opts.Declared)
	if err := v.Policy.Validate(); err != nil { // with what this release declares besides
		s.unreadable = newest
		s.opts.Log.ErrorContext(ctx, "the limits stay as they are", "version", newest, "in_force", s.version.Load(), "error", err)
		return nil
	}
	s.install(ctx, v)
	return nil
}

func (s *Service) install(ctx context.Context, v Version) {
	p := s.bounded(v.Policy)
	changes := limits.Diff(s.limiter.Policy(), p)
	s.limiter.Apply(p)
	s.version.Store(v.Version)
	s.unreadable = 0
	s.opts.Log.InfoContext(ctx, "limits in force", "version", v.Version, "mode", p.Mode, "percent", p.Percent, "changes", len(changes), "author", v.Author)
}

// bounded returns p in the mode that the configuration allows.
func (s *Service) bounded(p limits.Policy) limits.Policy {
	if s.opts.Most != "" {
		p.Mode = p.Mode.Weaker(s.opts.Most)
	}
	return p
}

// upkeep learns who has limits of their own, and drops what nobody owes.
func (s *Service) upkeep(ctx context.Context, q *db.Queries) error {
	ids, err := q.Staff(ctx)
	if err != nil {
		return err
	}
	staff := make(map[int64]bool, len(ids))
	for _, id := range ids {
		staff[id] = true
	}
	s.staff.Store(&staff)
	return q.TidyRatelimits(ctx)
}

// warn tells of a failure once a minute: it comes again with every poll.
func (s *Service) warn(ctx context.Context, what string, err error) {
	s.warning.Lock()
	defer s.warning.Unlock()
	if time.Since(s.warnedAt) > warnEvery {
		s.warnedAt = time.Now()
		s.opts.Log.WarnContext(ctx, what, "error", err)
	}
}
