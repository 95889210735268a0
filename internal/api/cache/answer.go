package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"time"
)

// Everything is the tag of a bust that every answer has.
const Everything = "*"

const (
	// MaxKeep is the longest that an answer is kept: the last fence behind everything that could go wrong with busts.
	MaxKeep = 60 * time.Second
	// maxBody is the largest body that is kept; a page of the catalogue has some 40 KB.
	maxBody = 1 << 20
)

// Answer is an encoded HTTP answer. Nobody changes one that was returned by a Load.
type Answer struct {
	Status int
	Header http.Header // of the answer itself, not of who asked for it
	Body   []byte
	ETag   string        // of one with status 200, otherwise empty
	Tags   []string      // of what it is made of; without any it is not kept
	Keep   time.Duration // how long it may be kept at most; 0: not at all
}

// keepable says whether an answer may be kept.
func (a *Answer) keepable() bool {
	return a.Keep > 0 && len(a.Tags) > 0 && len(a.Body) <= maxBody
}

func (a *Answer) keep() time.Duration { return min(a.Keep, MaxKeep) }

// weight is about what an answer takes in memory, with its place in the indexes by key and by tag.
func (a *Answer) weight(key string) uint32 {
	const entry, tag = 512, 120
	return uint32(min(len(a.Body), maxBody) + len(key) + entry + tag*len(a.Tags))
}

// Same says whether two answers are the same, byte by byte.
func Same(a, b *Answer) bool {
	return a.Status == b.Status && bytes.Equal(a.Body, b.Body) &&
		slices.Equal(a.Header.Values("Content-Type"), b.Header.Values("Content-Type")) &&
		slices.Equal(a.Header.Values("Link"), b.Header.Values("Link"))
}

// ETag returns the strong entity tag of a body: 128 bits of its hash.
func ETag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

type notesKey struct{}

// notes collects tags while an answer is made, by one goroutine.
type notes struct{ tags []string }

// Noting returns a context in which Note collects tags, and a function that returns them, each once. The context carries them
// because between the middleware that keeps answers and the handler that knows what they are made of stands generated code.
func Noting(ctx context.Context) (context.Context, func() []string) {
	n := &notes{}
	return context.WithValue(ctx, notesKey{}, n), func() []string {
		slices.Sort(n.tags)
		return slices.Compact(n.tags)
	}
}

// Note says what the answer that is being made depends on. Tags that stand for what is read are noted before it is read, or in
// any case before the handler returns: busts are collected from before the handler was called.
func Note(ctx context.Context, tags ...string) {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.tags = append(n.tags, tags...)
	}
}
