// Package perftest is what the tests of the performance area share: a small API that answers the requests of the load
// scenarios and can be told to misbehave, and our k6 built from source.
//
// Invariants: the API is a real HTTP server on the loopback interface; it counts everything it answers, so a test can
// hold a measurement against what really happened.
package perftest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Market is the API. Set its fields before the first request.
type Market struct {
	OKDelay   time.Duration // every measured answer that succeeds takes this long, so a faster one was none of these
	Fast      int           // the first feed requests are answered at once; measured they would show as too fast
	FailEach  int           // every n-th feed request after those answers 500 at once
	CutEach   int           // every n-th loses its connection inside the answer
	NotReady  bool          // /api/ready answers 503
	NoSignups bool          // signup answers 503

	URL string

	mu      sync.Mutex
	handles map[string]string // handle -> password
	counts  map[string]int
}

// Start serves m until the test ends.
func (m *Market) Start(t testing.TB) *Market {
	m.handles, m.counts = map[string]string{}, map[string]int{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/ready", m.ready)
	mux.HandleFunc("POST /api/v1/auth/signup", m.signup)
	mux.HandleFunc("POST /api/v1/auth/login", m.login)
	mux.HandleFunc("PUT /api/v1/users/{id}/follow", m.follow)
	mux.HandleFunc("POST /api/v1/posts", m.post)
	mux.HandleFunc("GET /api/v1/feed", m.feed)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	m.URL = s.URL
	return m
}

// Count returns how often something happened: signup, login, follow, post, feed, failed, cut.
func (m *Market) Count(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[what]
}

func (m *Market) add(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[what]++
	return m.counts[what]
}

func (m *Market) ready(w http.ResponseWriter, _ *http.Request) {
	if m.NotReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

type credentials struct{ Handle, Password, DisplayName string }

func (m *Market) signup(w http.ResponseWriter, r *http.Request) {
	var c credentials
	if m.NoSignups {
		http.Error(w, "signups are closed", http.StatusServiceUnavailable)
		return
	}
	if json.NewDecoder(r.Body).Decode(&c) != nil || c.Handle == "" || c.Password == "" || c.DisplayName == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	_, taken := m.handles[c.Handle]
	if !taken {
		m.handles[c.Handle] = c.Password
	}
	m.mu.Unlock()
	if taken {
		w.WriteHeader(http.StatusConflict)
		return
	}
	m.add("signup")
	session(w, http.StatusCreated, c.Handle)
}

func (m *Market) login(w http.ResponseWriter, r *http.Request) {
	var c credentials
	err := json.NewDecoder(r.Body).Decode(&c)
	m.mu.Lock()
	known := err == nil && m.handles[c.Handle] == c.Password
	m.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	m.add("login")
	session(w, http.StatusOK, c.Handle)
}

func session(w http.ResponseWriter, status int, handle string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"success":true,"data":{"user":{"id":"id-%s"},"accessToken":"token-%s","refreshToken":"r"}}`, handle, handle)
}

func known(w http.ResponseWriter, r *http.Request) bool {
	if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-load") {
		return true
	}
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

func (m *Market) follow(w http.ResponseWriter, r *http.Request) {
	if known(w, r) && strings.HasPrefix(r.PathValue("id"), "id-load") {
		m.add("follow")
		w.WriteHeader(http.StatusNoContent)
	}
}

func (m *Market) post(w http.ResponseWriter, r *http.Request) {
	var p struct{ Body string }
	if !known(w, r) {
		return
	}
	if json.NewDecoder(r.Body).Decode(&p) != nil || len(p.Body) < 10 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.add("post")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, `{"success":true,"data":{}}`)
}

func (m *Market) feed(w http.ResponseWriter, r *http.Request) {
	if !known(w, r) {
		return
	}
	n := m.add("feed") - m.Fast
	switch {
	case n <= 0:
	case m.FailEach > 0 && n%m.FailEach == 0:
		m.add("failed")
		w.WriteHeader(http.StatusInternalServerError)
		return
	case m.CutEach > 0 && n%m.CutEach == 0:
		m.add("cut")
		cut(w)
		return
	default:
		time.Sleep(m.OKDelay)
	}
	items := strings.TrimSuffix(strings.Repeat(`{},`, min(m.Count("post"), 20)), ",")
	fmt.Fprintf(w, `{"success":true,"data":[%s],"meta":{"nextCursor":null}}`, items)
}

// cut ends the connection inside the answer. Before its first byte Go's client would silently send a GET again.
func cut(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Le")
	conn.Close()
}
