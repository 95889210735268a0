package edge

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
)

// problem is an answer of the edge's own, RFC 9457 with the members that the API's errors have.
type problem struct {
	Type    string   `json:"type"`
	Title   string   `json:"title"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"`
	Success bool     `json:"success"`
	Code    string   `json:"code"`
	TraceID string   `json:"traceId"`
	Errors  []string `json:"errors"`
	Source  string   `json:"source"` // who answers: an edge's 502 must not be taken for the release's
}

const sourceName = "platctl-edge"

func writeProblem(w http.ResponseWriter, status int, code, detail, trace string) {
	b, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: sourceName + ": " + detail,
		Code: code, TraceID: trace, Errors: []string{}, Source: sourceName,
	})
	if err != nil {
		w.WriteHeader(status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Server", sourceName)
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// traceOf returns the trace id of a request. Where the client sent no valid W3C traceparent it makes one, and returns the
// header to send on, so that the release logs the same id that a 502 carries.
func traceOf(header string) (trace, parent string) {
	if p := strings.Split(header, "-"); len(p) >= 4 && len(p[0]) == 2 && len(p[1]) == 32 && len(p[2]) == 16 &&
		isHex(p[1]) && isHex(p[2]) && strings.Trim(p[1], "0") != "" {
		return p[1], ""
	}
	var b [24]byte
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rand.Uint64())
	}
	id := hex.EncodeToString(b[:])
	return id[:32], "00-" + id[:32] + "-" + id[32:] + "-00"
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}
