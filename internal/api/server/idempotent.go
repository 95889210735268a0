package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/idempotency"
)

const replayedHeader = "Idempotent-Replayed"

// ignoresKey says that an operation takes no key: those that need no account, most of which answer with tokens, which nobody
// keeps; the one that keeps its key itself, in the transaction of the order; and an export, which changes nothing and is too
// large to keep.
func ignoresKey(route string) bool {
	switch route {
	case "signup", "verifySignup", "login", "refreshSession", "forgotPassword", "resetPassword", "restoreAccount":
		return true
	case "placeOrder", "exportMe", "none", "portal":
		return true
	}
	return false
}

// idempotent does what a POST with a key asks for once, and answers the same again when it is asked again. It stands before
// admission: who waits for an earlier request holds no slot.
func (s *Server) idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get(httpapi.KeyHeader) == "" || ignoresKey(s.route(r)) {
			next.ServeHTTP(w, r)
			return
		}
		account, ok := s.accountOf(r)
		if !ok { // the operation says what is missing
			next.ServeHTTP(w, r)
			return
		}
		claim, answer, err := s.begin(r, account)
		switch {
		case errors.Is(err, idempotency.ErrNoAccount):
			next.ServeHTTP(w, r)
		case err != nil:
			httpapi.WriteProblem(r.Context(), w, s.log, err)
		case answer != nil:
			reply(w, http.Header{"Content-Type": {answer.ContentType}}, answer.Status, answer.Body, true)
		default:
			s.once(w, r, next, claim)
		}
	})
}

// accountOf returns who a request's token belongs to.
func (s *Server) accountOf(r *http.Request) (int64, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return 0, false
	}
	who, err := s.accounts.Authenticate(r.Context(), token)
	return who.Account, err == nil
}

func (s *Server) begin(r *http.Request, account int64) (*idempotency.Claim, *idempotency.Answer, error) {
	keys := r.Header.Values(httpapi.KeyHeader)
	if len(keys) != 1 || !validKey(keys[0]) {
		return nil, nil, httpapi.ErrKey()
	}
	print, err := s.fingerprint(r)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.Patience.Write)
	defer cancel()
	return s.keys.Begin(ctx, account, keys[0], print)
}

// validKey is the pattern that the spec has for the key of an order.
func validKey(k string) bool {
	return len(k) <= 255 && strings.IndexFunc(k, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// once works on a request whose key was claimed, to its end: a client that leaves does not interrupt it, because it may ask
// again. What came of it is written down before it is answered. A panic says nothing about what was done before it.
func (s *Server) once(w http.ResponseWriter, r *http.Request, next http.Handler, claim *idempotency.Claim) {
	ctx := r.Context()
	rec, ended := &captured{header: http.Header{}}, false
	defer func() {
		if !ended {
			s.noteKey(ctx, claim.Lose(ctx))
		}
	}()
	next.ServeHTTP(rec, r.WithContext(context.WithoutCancel(ctx)))
	ended = true
	switch rec.outcome() {
	case done:
		s.noteKey(ctx, claim.Keep(ctx, idempotency.Answer{
			Status: rec.code, ContentType: rec.header.Get("Content-Type"), Body: rec.body.Bytes(),
		}))
	case refused:
		s.noteKey(ctx, claim.Release(ctx))
	case unknown:
		s.noteKey(ctx, claim.Lose(ctx))
	}
	reply(w, rec.header, rec.code, rec.body.Bytes(), false)
}

// noteKey logs that the end of a request could not be written down: its answer stands, its key will count as cut off.
func (s *Server) noteKey(ctx context.Context, err error) {
	if err != nil {
		s.log.WarnContext(ctx, "a key stays claimed", "error", err)
	}
}

type outcome int

const (
	done outcome = iota
	refused
	unknown
)

// captured is an answer that was not sent yet.
type captured struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (c *captured) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *captured) WriteHeader(code int) {
	if c.code == 0 {
		c.code = code
	}
}

// Write implements http.ResponseWriter.
func (c *captured) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(b)
}

// outcome says what an answer means for the key. A request that ran out of time or lost the database may have been carried
// out; every other error says that it was not.
func (c *captured) outcome() outcome {
	c.WriteHeader(http.StatusOK)
	switch {
	case c.code < http.StatusBadRequest:
		return done
	case c.code == http.StatusGatewayTimeout:
		return unknown
	case c.code == http.StatusServiceUnavailable:
		var p struct{ Code string }
		if json.Unmarshal(c.body.Bytes(), &p) != nil || p.Code == "database_unavailable" {
			return unknown
		}
	}
	return refused
}

// reply sends an answer and whether it is an earlier one; errors are never kept, so they do not say.
func reply(w http.ResponseWriter, header http.Header, code int, body []byte, replayed bool) {
	h := w.Header()
	maps.Copy(h, header)
	if h.Get("Content-Type") == "" {
		h.Del("Content-Type") // an answer without a body has none
	}
	if code < http.StatusBadRequest {
		h.Set(replayedHeader, strconv.FormatBool(replayed))
	}
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}
