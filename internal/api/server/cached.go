package server

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/platctl/platctl/internal/api/cache"
	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

const (
	keepAnswer = cache.MaxKeep
	keepList   = 30 * time.Second // its total is up to 30 seconds old when it is made
	keepAbsent = 5 * time.Second  // what nobody has is asked for by mistake, or to fill our memory
)

// kept is an operation whose answers are kept.
type kept struct {
	params    []cache.Param // all that it reads
	keep      time.Duration
	anonymous bool // with a token the answer is another
	same      func(a, b *cache.Answer) bool
	family    *cache.Family
}

// keptOperations is every operation whose answers are kept: those that are the same for everybody, and profiles as somebody
// without an account sees them. What each answer is made of is noted by its handler.
func keptOperations(c *cache.Cache) map[string]*kept {
	ops := map[string]*kept{
		"listProducts": {keep: keepList, same: sameButTotal, params: []cache.Param{
			{Name: "q"}, {Name: "category"}, {Name: "farm"}, {Name: "minPrice"}, {Name: "maxPrice"},
			{Name: "inStock", Default: "false"}, {Name: "page", Default: "1"}, {Name: "cursor"}, {Name: "limit", Default: "20"},
		}},
		"getProduct": {keep: keepAnswer, same: cache.Same},
		"getFarm":    {keep: keepAnswer, same: cache.Same},
		"getUser":    {keep: keepAnswer, same: cache.Same, anonymous: true},
	}
	for name, op := range ops {
		op.family = c.Family(name, op.same)
	}
	return ops
}

// total is where a list says how many products match, the one number that may be old.
var total = regexp.MustCompile(`"total":[0-9]+`)

func sameButTotal(a, b *cache.Answer) bool {
	x, y := *a, *b
	x.Body, y.Body = total.ReplaceAll(a.Body, nil), total.ReplaceAll(b.Body, nil)
	return cache.Same(&x, &y)
}

// newCache makes the cache, which the feed of revocations tells what to drop.
func (s *Server) newCache() (*cache.Cache, error) {
	return cache.New(cache.Options{
		MaxBytes: s.opts.CacheBytes, RecheckOne: s.opts.CacheRecheckOne, Log: s.log,
		Wake: func() { s.feed.Wake() },
		Busted: func(ctx context.Context, seen string, tags []string) (bool, error) {
			return db.New(s.opts.Pool).BustedSince(ctx, db.BustedSinceParams{Seen: seen, Tags: tags})
		},
	})
}

// cached answers from what is kept, without a slot or the database, and lets one request at a time make what is not there. All
// answers of these operations have an ETag, and who has the answer already is told so.
func (s *Server) cached(next http.Handler) http.Handler {
	ops, guarded := keptOperations(s.cache), s.recover(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			next.ServeHTTP(&acknowledging{ResponseWriter: w, before: s.cache.Expect}, r)
			return
		}
		found, _ := s.operations.FindRoute(r.Method, r.URL.Path)
		op := ops[found.OperationID()]
		if op == nil || op.anonymous && r.Header.Get("Authorization") != "" {
			next.ServeHTTP(w, r)
			return
		}
		load := func(ctx context.Context) *cache.Answer { return op.make(guarded, r.WithContext(ctx)) }
		argument := ""
		if args := found.Args(); len(args) > 0 {
			argument = args[0]
		}
		key, ok := cache.Key(found.OperationID(), argument, r.URL.Query(), op.params)
		if !ok || r.URL.RawPath != "" { // another spelling of a path is for the router to read
			send(w, r, load(r.Context()))
			return
		}
		if a := op.family.Hit(r.Context(), key, load); a != nil {
			send(w, r, a)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.opts.Patience.Read)
		defer cancel()
		a, err := op.family.Fetch(ctx, key, load)
		if r.Context().Err() != nil {
			err = fault.Wrap(r.Context().Err(), fault.Canceled, "the client left")
		}
		if err != nil {
			httpapi.WriteProblem(ctx, w, s.log, err)
			return
		}
		send(w, r, a)
	})
}

// make lets an operation answer into memory.
func (op *kept) make(next http.Handler, r *http.Request) *cache.Answer {
	ctx, tags := cache.Noting(r.Context())
	rec := &captured{header: http.Header{}}
	next.ServeHTTP(rec, r.WithContext(ctx))
	rec.WriteHeader(http.StatusOK)
	a := &cache.Answer{Status: rec.code, Header: rec.header, Body: rec.body.Bytes(), Tags: tags()}
	switch a.Status {
	case http.StatusOK:
		a.ETag, a.Keep = cache.ETag(a.Body), op.keep
		rec.header["Etag"] = []string{a.ETag}
		rec.header["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
		rec.header["Cache-Control"] = []string{"public, no-cache"} // keep it, and ask each time whether it still holds
	case http.StatusNotFound:
		a.Keep = keepAbsent
	}
	if a.ETag == "" {
		a.Body = bytes.Replace(a.Body, traceMember(telemetry.TraceID(r.Context())), traceMember(nobody), 1)
	}
	return a
}

// nobody is the trace id of a problem that is made for whoever asks.
const nobody = ""

// traceMember is how a problem names the request that it answers. No text in it can look the same: quotes are escaped there.
func traceMember(id string) []byte { return []byte(`"traceId":"` + id + `"`) }

// send answers a request with an answer that may have been made for another one.
func send(w http.ResponseWriter, r *http.Request, a *cache.Answer) {
	h := w.Header()
	maps.Copy(h, a.Header)
	if a.ETag != "" && cache.Matches(r.Header["If-None-Match"], a.ETag) {
		h.Del("Content-Type")
		h.Del("Content-Length")
		h.Del("Link")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.Body
	if a.ETag == "" {
		body = bytes.Replace(body, traceMember(nobody), traceMember(telemetry.TraceID(r.Context())), 1)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}

// acknowledging calls before when an answer begins, so that it is done before the client can know of it.
type acknowledging struct {
	http.ResponseWriter
	before func()
	begun  bool
}

// WriteHeader implements http.ResponseWriter.
func (a *acknowledging) WriteHeader(code int) {
	a.begin()
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *acknowledging) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *acknowledging) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *acknowledging) begin() {
	if !a.begun {
		a.begun = true
		a.before()
	}
}
