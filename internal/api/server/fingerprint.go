package server

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"

	"github.com/platctl/platctl/internal/base/fault"
)

// fingerprint tells requests apart by where they go and what they carry. It is keyed: a body may hold a password, which a plain
// hash in the database would let somebody guess.
func (s *Server) fingerprint(r *http.Request) ([]byte, error) {
	h := &parts{hmac.New(sha256.New, append([]byte("platctl idempotency\x00"), s.opts.IDKey...))}
	h.add([]byte(r.URL.Path))
	h.add([]byte(r.URL.RawQuery))
	if s.streams(r) {
		return s.fingerprintForm(h, r)
	}
	h.add([]byte(r.Header.Get("Content-Type")))
	if r.Body == nil {
		return h.Sum(nil), nil
	}
	body, err := io.ReadAll(r.Body) // in memory already: guardBody has read it
	if err != nil {
		return nil, err
	}
	h.add(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return h.Sum(nil), nil
}

// fingerprintForm takes a form for what its parts say: whoever sends it again makes up another boundary, and it is the same
// request. The form goes to a file meanwhile, so memory stays flat, and the operation reads it there. One that is no form is told
// apart by its bytes, and refused by the operation.
func (s *Server) fingerprintForm(h *parts, r *http.Request) ([]byte, error) {
	spool, err := s.media.Spool()
	if err != nil {
		return nil, err
	}
	raw := sha256.New()
	in := io.TeeReader(r.Body, io.MultiWriter(spool, raw))
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	whole := h.form(multipart.NewReader(in, params["boundary"]))
	_, err = io.Copy(io.Discard, in) // what stands behind the form, or where it stopped being one
	if err == nil {
		_, err = spool.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(unreadable(err), spool.Close())
	}
	if !whole {
		h.add(raw.Sum(nil))
	}
	r.Body = spooled{spool, r.Body}
	return h.Sum(nil), nil
}

// spooled is a body that was read already. Closing it lets go of both.
type spooled struct {
	*os.File
	body io.Closer
}

// Close implements io.Closer.
func (b spooled) Close() error { return errors.Join(b.File.Close(), b.body.Close()) }

// unreadable is a body that did not come. Limits speak for themselves.
func unreadable(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "the body could not be read").WithCode("unreadable_body")
}

// parts is a hash of a list, not of its concatenation.
type parts struct{ hash.Hash }

func (h *parts) add(b []byte) {
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b)))) // a hash takes everything
	_, _ = h.Write(b)
}

// form adds names, file names, types and bytes of every part, in their order, and says whether it came to the form's end.
func (h *parts) form(in *multipart.Reader) (whole bool) {
	for {
		p, err := in.NextRawPart()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, p); err != nil {
			return false
		}
		for _, text := range []string{p.Header.Get("Content-Disposition"), p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding")} {
			h.add([]byte(text))
		}
		h.add(sum.Sum(nil))
	}
}
