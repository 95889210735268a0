package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/platctl/platctl/internal/base/fault"
)

// Log is what a ledger file holds.
type Log struct {
	Events   []Event   `json:"events"`
	Problems []Problem `json:"problems,omitempty"` // the chain is whole when there are none
	Torn     int       `json:"torn,omitempty"`     // bytes of a last line that a crash tore; not a problem
}

// Problem is one place where the chain does not hold.
type Problem struct {
	Line int    `json:"line"` // counted from 1
	What string `json:"what"`
}

// ReadFile reads the ledger at path. A file that does not exist is an empty ledger; an error means that the file can't be
// read at all.
func ReadFile(path string) (*Log, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Log{}, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the ledger can't be opened")
	}
	defer f.Close()
	// Keeps a half-written line of a running Append out of sight where possible, but never waits for one: a stopped
	// writer must not hold up a rollback.
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	data, err := readAll(f)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the ledger can't be read")
	}
	return Parse(data), nil
}

// readAll reads as many bytes as the file has now: a device in the ledger's place would never end.
func readAll(f *os.File) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, 0, st.Size()))
}

// Parse reads the bytes of a ledger and verifies the chain.
func Parse(data []byte) *Log {
	log := &Log{}
	prev, seq, line := hashLine(nil), uint64(0), 0
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			log.Torn = len(data)
			break
		}
		raw := data[:end]
		data = data[end+1:]
		line++
		e, what := decode(raw)
		switch {
		case what != "":
		case e.Prev != prev:
			what = "does not follow from the line before it: one of the two was changed, or a line is missing"
		case e.Seq != seq+1:
			what = "is out of sequence"
		}
		if what != "" {
			log.Problems = append(log.Problems, Problem{Line: line, What: what})
		}
		if e != nil {
			log.Events = append(log.Events, *e)
			seq = e.Seq
		}
		prev = hashLine(raw)
	}
	return log
}

// decode returns the event of one line, or nil and what is wrong with it.
func decode(raw []byte) (*Event, string) {
	if len(raw) > MaxLine {
		return nil, "is longer than a ledger line can be"
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return nil, "is not JSON"
	}
	if _, err := Schema().Accept(head.Schema); err != nil {
		return nil, fault.From(err).Message
	}
	var e Event
	if json.Unmarshal(raw, &e) != nil || e.Kind == "" || e.Seq == 0 || e.Seq > maxSeq {
		return nil, "is not a ledger event"
	}
	return &e, ""
}

// Err returns nil for a whole chain, else an error that names the first broken place.
func (l *Log) Err() error {
	if len(l.Problems) == 0 {
		return nil
	}
	p := l.Problems[0]
	return fault.New(fault.No, "the ledger is broken in %d places, first at line %d, which %s", len(l.Problems), p.Line, p.What).
		WithHint("the events are still shown and a rollback still works; keep the file as evidence")
}

// LastToken returns the highest fencing token in the ledger.
func (l *Log) LastToken() uint64 {
	var top uint64
	for _, e := range l.Events {
		top = max(top, e.FencingToken)
	}
	return top
}
