package keyring

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// PollEvery is how long a server takes at most to notice a new ring: far below every grace.
const PollEvery = 2 * time.Second

// Source is the ring of a running server. It follows the ring's file while Run runs, and keeps the last good ring whatever
// happens to that.
type Source struct {
	place    Place
	log      *slog.Logger
	ring     atomic.Pointer[Ring]
	failing  atomic.Bool
	failures atomic.Int64

	text []byte // what ring was read from; Run's only
	last string // the last complaint; Run's only
}

// Static returns a Source that never changes.
func Static(r Ring) *Source {
	s := &Source{log: slog.New(slog.DiscardHandler)}
	s.ring.Store(&r)
	return s
}

// Open reads the ring at p. It has to be good at the start.
func Open(p Place, log *slog.Logger) (*Source, error) {
	r, text, err := p.read()
	if err != nil {
		return nil, err
	}
	s := &Source{place: p, log: log, text: text}
	s.ring.Store(&r)
	return s, nil
}

// Ring returns the ring in force.
func (s *Source) Ring() Ring { return *s.ring.Load() }

// Failing says that the file holds no usable ring, so that the next start would fail.
func (s *Source) Failing() bool { return s.failing.Load() }

// Failures is how often the file was found unusable.
func (s *Source) Failures() int64 { return s.failures.Load() }

// Run follows the file every so often until ctx ends. It returns at once where there is no file.
func (s *Source) Run(ctx context.Context, every time.Duration) {
	if s.place.Path == "" {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.reload(ctx)
		}
	}
}

// reload takes the file's ring over. The content is compared, not the time of the last change: a file system may round that.
func (s *Source) reload(ctx context.Context) {
	r, text, err := s.place.read()
	if err != nil {
		if s.last != err.Error() {
			s.last = err.Error()
			s.log.ErrorContext(ctx, "the signing keys can't be read again; the ones read before stay in force", "error", s.last, "keys", s.Ring().String())
		}
		s.failures.Add(1)
		s.failing.Store(true)
		return
	}
	s.failing.Store(false)
	s.last = ""
	if bytes.Equal(text, s.text) {
		return
	}
	s.log.InfoContext(ctx, "signing keys read again", "keys", r.String(), "before", s.Ring().String())
	s.text = text
	s.ring.Store(&r)
}
