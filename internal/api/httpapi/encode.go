package httpapi

import (
	"net/http"
	"strconv"

	"github.com/go-faster/jx"
)

// encodable is a generated type that can write itself.
type encodable interface{ Encode(e *jx.Encoder) }

// writeJSON answers 200 from a pooled encoder and with a length. The generated encoder grows a new buffer for every
// answer (90 KB of garbage for a page of 50) and sends no Content-Length, so lists are raw responses in the spec.
func writeJSON(w http.ResponseWriter, v encodable) error {
	e := jx.GetEncoder()
	defer jx.PutEncoder(e)
	v.Encode(e)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(e.Bytes())))
	_, _ = w.Write(e.Bytes()) // the client is gone: nobody to tell
	return nil
}
