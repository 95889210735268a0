// Package admission bounds how many requests are worked on at once, and decides who waits and who is turned away when
// there are more: a saturated server that queues without bound answers nobody in time.
//
// Invariants: at most Limit requests hold a slot; at most Queue wait, none longer than MaxWait; a freed slot goes to the
// oldest waiter of the most important class; when the queue is full, a newcomer takes the place of the youngest waiter of
// a less important class, if there is one. A slot taken is given back exactly once.
package admission

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Class says how important a request is when not all can be served.
type Class int

// The classes, most important first.
const (
	Critical Class = iota // what must not fail under load: orders, refreshing a session
	Normal                // everything else
	Bulk                  // search, exports, documentation
	classes
)

// String returns the class as metrics name it.
func (c Class) String() string { return [classes]string{"critical", "normal", "bulk"}[c] }

// Limiter admits requests. The zero value is not useful; make one with New.
type Limiter struct {
	limit, queue int
	maxWait      time.Duration

	mu      sync.Mutex
	used    int
	waiting int
	lines   [classes]list.List // of *waiter, oldest first
	shed    [classes]uint64
}

type waiter struct {
	admitted chan bool // buffered; true: the slot is yours, false: you were displaced
	class    Class
}

// New returns a Limiter with limit slots and room for queue waiters, none of whom waits longer than maxWait.
func New(limit, queue int, maxWait time.Duration) *Limiter {
	return &Limiter{limit: max(limit, 1), queue: max(queue, 0), maxWait: maxWait}
}

// Acquire takes a slot for a request of a class and returns the function that gives it back. It fails with kind
// Unavailable when the request is turned away, and with ctx's error when the client leaves first.
func (l *Limiter) Acquire(ctx context.Context, c Class) (release func(), err error) {
	l.mu.Lock()
	if l.used < l.limit {
		l.used++
		l.mu.Unlock()
		return l.release, nil
	}
	if l.waiting >= l.queue && !l.displace(c) {
		l.shed[c]++
		l.mu.Unlock()
		return nil, saturated()
	}
	w := &waiter{admitted: make(chan bool, 1), class: c}
	at := l.lines[c].PushBack(w)
	l.waiting++
	l.mu.Unlock()
	return l.wait(ctx, w, at)
}

func (l *Limiter) wait(ctx context.Context, w *waiter, at *list.Element) (func(), error) {
	timer := time.NewTimer(l.maxWait)
	defer timer.Stop()
	var err error
	select {
	case ok := <-w.admitted:
		if ok {
			return l.release, nil
		}
		return nil, saturated()
	case <-timer.C:
		err = saturated()
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case ok := <-w.admitted: // decided in the same moment
		if ok {
			return l.release, nil
		}
	default:
		l.lines[w.class].Remove(at)
		l.waiting--
		l.shed[w.class]++
	}
	return nil, err
}

// displace makes room in the queue by sending away the youngest waiter of a class less important than c.
func (l *Limiter) displace(c Class) bool {
	for less := classes - 1; less > c; less-- {
		if at := l.lines[less].Back(); at != nil {
			l.lines[less].Remove(at)
			l.waiting--
			l.shed[less]++
			at.Value.(*waiter).admitted <- false
			return true
		}
	}
	return false
}

func (l *Limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.lines {
		if at := l.lines[c].Front(); at != nil {
			l.lines[c].Remove(at)
			l.waiting--
			at.Value.(*waiter).admitted <- true // the slot passes on; used stays
			return
		}
	}
	l.used--
}

// Stats is a moment of a Limiter.
type Stats struct {
	Used, Waiting int
	Shed          [3]uint64 // turned away since the start, by class
}

// Stats returns the present moment.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Used: l.used, Waiting: l.waiting, Shed: l.shed}
}

func saturated() error {
	return fault.New(fault.Unavailable, "the server is at its limit; try again in a moment").WithCode("saturated")
}
