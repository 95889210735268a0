package db

import (
	"fmt"
	"strings"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/seed"
)

// meter shows a seeding's progress: one line that is written over on a terminal, else a line every few seconds.
type meter struct {
	streams *term.Streams
	every   time.Duration
	last    time.Duration
	open    bool // a line without its end is on the terminal
}

func progress(s *term.Streams) *meter {
	m := &meter{streams: s, every: 5 * time.Second}
	if s.ErrTTY {
		m.every = 200 * time.Millisecond
	}
	return m
}

func (m *meter) show(p seed.Progress) {
	writing := p.Doing == "writing"
	if writing && p.Elapsed-m.last < m.every {
		return
	}
	m.last = p.Elapsed
	line := p.Doing
	if writing {
		line = fmt.Sprintf("writing: %d of %d rows, %d %%, about %s left", p.Rows, p.Total, 100*p.Rows/p.Total,
			p.Left.Round(time.Second))
	}
	if !m.streams.ErrTTY {
		m.streams.Say("%s", line)
		return
	}
	fmt.Fprintf(m.streams.Err, "\r%s%s", line, strings.Repeat(" ", max(0, 78-len(line))))
	m.open = true
}

func (m *meter) end() {
	if m.open {
		fmt.Fprintln(m.streams.Err)
		m.open = false
	}
}
