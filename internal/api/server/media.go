package server

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/base/fault"
)

// Limits on uploads.
const (
	uploadBudget = 10 * time.Minute // the slowest that minRate lets through, and the store's time
	uploadGrace  = 10 * time.Second // before minRate counts
	uploadStall  = 15 * time.Second // between two pieces
	minRate      = 32 << 10         // bytes a second
	maxUploads   = 16               // at once
	formRoom     = 64 << 10         // bytes of a form around its file
)

// PicturePath is where pictures are served that lie on this machine.
const PicturePath = "/media/"

// Media says where pictures are kept, and what people may send.
type Media struct {
	Store   store.Store
	Local   *store.Local // serves the pictures; nil: somebody else does, at URL
	URL     string       // what the name of a picture is put behind; empty: PicturePath of this server
	WorkDir string       // for uploads and results on their way
	Limits  media.Limits
	Workers int // pictures worked on at once
	Process child.Limits
	Timing  media.Timing
	Decoder media.Decoder // nil: a process for each picture
}

// newMedia wires the pictures. The queue works on them apart from its other jobs.
func newMedia(o Options, queue *jobs.Queue, pool *pgxpool.Pool, log *slog.Logger) (*media.Service, error) {
	m := o.Media
	if m.Store == nil {
		return nil, fault.New(fault.Config, "there is no store for pictures")
	}
	if m.Decoder == nil {
		if m.Process == (child.Limits{}) {
			m.Process = child.DefaultLimits()
		}
		runner, err := child.New(child.Options{Dir: filepath.Join(m.WorkDir, "results"), Limits: m.Process, Slots: m.Workers, Log: log})
		if err != nil {
			return nil, err
		}
		m.Decoder = runner
	}
	return media.New(media.Options{
		DB: pool, Jobs: queue, Store: m.Store, Decoder: m.Decoder, Dir: filepath.Join(m.WorkDir, "uploads"), Limits: m.Limits, Log: log, Timing: m.Timing,
	})
}

// pictureURL is what clients find the names of pictures behind.
func (m Media) pictureURL() string {
	if m.URL == "" {
		return strings.TrimSuffix(PicturePath, "/")
	}
	return strings.TrimSuffix(m.URL, "/")
}

// servesPictures says whether a request is for a picture that lies here. Like the portal they are no operations of the spec: what
// they are is documented there at the URL that names them.
func (s *Server) servesPictures(r *http.Request) bool {
	return s.opts.Media.Local != nil && strings.HasPrefix(r.URL.Path, PicturePath)
}

func (s *Server) servePicture(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		httpapi.WrongMethod(s.log, "GET, HEAD").ServeHTTP(w, r)
	case !s.opts.Media.Local.Serve(w, r, strings.TrimPrefix(r.URL.Path, PicturePath)):
		httpapi.WriteProblem(r.Context(), w, s.log, fault.New(fault.NotFound, "there is no such picture"))
	}
}

// streams says whether the body of a request is read as it comes, and not into memory: a picture, alone or in a form.
func (s *Server) streams(r *http.Request) bool {
	if r.Method != http.MethodPut && r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/api/v1/media") {
		return false // nearly every request: don't look for its route once more
	}
	switch s.route(r) {
	case "uploadMedia":
		return true
	case "createMedia":
		ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		return ct == "multipart/form-data"
	}
	return false
}

// guardUpload lets a picture through within its limits: size, a minimum rate in place of the deadlines of small requests, and a
// number at once.
func (s *Server) guardUpload(next http.Handler, w http.ResponseWriter, r *http.Request) {
	most := s.opts.Media.Limits.Bytes + formRoom
	var err error
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
		if r.ContentLength > most {
			err = s.media.TooLarge()
		}
	default:
		err = fault.New(fault.Unavailable, "too many pictures are on their way; try again in a moment").WithCode("saturated")
	}
	if err != nil {
		httpapi.WriteProblem(r.Context(), w, s.log, err)
		return
	}
	r.Body = &steady{
		ReadCloser: http.MaxBytesReader(w, r.Body, most), conn: http.NewResponseController(w), began: time.Now(), excess: s.media.TooLarge,
	}
	next.ServeHTTP(w, r)
}

// steady is a body that may take long as long as it keeps coming: it moves the connection's deadlines before each read.
type steady struct {
	io.ReadCloser
	conn   *http.ResponseController
	began  time.Time
	n      int64
	excess func() error
}

// Read implements io.Reader.
func (b *steady) Read(p []byte) (int, error) {
	now := time.Now()
	until := b.began.Add(uploadGrace + time.Duration(b.n)*time.Second/minRate)
	if stall := now.Add(uploadStall); stall.Before(until) {
		until = stall
	}
	_ = b.conn.SetReadDeadline(until)                    // what is no connection, in a test, has none
	_ = b.conn.SetWriteDeadline(until.Add(writeTimeout)) // the answer comes after the store has the bytes
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	var tooMany *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fault.New(fault.Invalid, "the picture came too slowly; it takes %d KiB a second", minRate>>10).WithCode("upload_too_slow")
	case errors.As(err, &tooMany):
		err = b.excess()
	}
	return n, err
}
