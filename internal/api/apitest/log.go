package apitest

import (
	"bytes"
	"sync"
)

// lockedWriter lets a test read the log that handlers write.
type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
