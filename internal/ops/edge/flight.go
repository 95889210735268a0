package edge

import (
	"context"
	"sync"
)

// flight counts requests under way and tells who waits for none.
type flight struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // made by the first waiter, closed when n reaches 0
}

func (f *flight) add() {
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
}

func (f *flight) done() {
	f.mu.Lock()
	f.n--
	if f.n == 0 && f.zero != nil {
		close(f.zero)
		f.zero = nil
	}
	f.mu.Unlock()
}

func (f *flight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// wait returns 0 once nothing is under way, or the number that is when ctx ends.
func (f *flight) wait(ctx context.Context) int {
	f.mu.Lock()
	n := f.n
	if n > 0 && f.zero == nil {
		f.zero = make(chan struct{})
	}
	zero := f.zero
	f.mu.Unlock()
	if n == 0 {
		return 0
	}
	select {
	case <-zero:
		return 0
	case <-ctx.Done():
		return f.count()
	}
}
