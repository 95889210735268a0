package server

import (
	"slices"
	"sync"
	"time"
)

// inFlight is the requests being answered, so that a shutdown that has to cut some off can say which.
type inFlight struct {
	mu   sync.Mutex
	next uint64
	m    map[uint64]flight
}

type flight struct {
	route, traceID string
	start          time.Time
	age            time.Duration // filled by table
}

// begin notes a request and returns the function that forgets it.
func (f *inFlight) begin(route, traceID string, start time.Time) (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m == nil {
		f.m = map[uint64]flight{}
	}
	f.next++
	id := f.next
	f.m[id] = flight{route: route, traceID: traceID, start: start}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.m, id)
	}
}

func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.m)
}

// table returns the requests, oldest first.
func (f *inFlight) table() []flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]flight, 0, len(f.m))
	for _, fl := range f.m {
		fl.age = time.Since(fl.start)
		out = append(out, fl)
	}
	slices.SortFunc(out, func(a, b flight) int { return a.start.Compare(b.start) })
	return out
}
