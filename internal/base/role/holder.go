package role

import (
	"sync"

	"github.com/platctl/platctl/internal/base/fault"
)

// Holder is the role of this process. Its methods may be called from any goroutine.
type Holder struct {
	mu      sync.Mutex
	doc     Document
	changed chan struct{}
}

// NewHolder returns a Holder with the role the process starts in: Standby where a control socket will tell, Active where
// nobody will.
func NewHolder(initial Role) *Holder {
	return &Holder{doc: Document{Schema: Schema().String(), Role: initial}, changed: make(chan struct{})}
}

// Get returns the signal in force.
func (h *Holder) Get() Document {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doc
}

// Watch returns the signal in force and a channel that is closed at the next one: read, act, wait, repeat loses none.
func (h *Holder) Watch() (Document, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doc, h.changed
}

// Set takes a signal, or refuses one whose token is lower than the last seen.
func (h *Holder) Set(d Document) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.Token < h.doc.Token {
		return fault.New(fault.Conflict, "token %d is older than %d: another deploy took over", d.Token, h.doc.Token).
			WithCode("stale_token")
	}
	d.Schema = Schema().String()
	h.doc = d
	close(h.changed)
	h.changed = make(chan struct{})
	return nil
}
