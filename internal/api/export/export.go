// Package export gives people everything that is held about them, as one stream of JSON lines.
//
// Invariants: nothing is stored, so there is no file to leak or to forget. A page of rows is in memory at a time, and no
// connection to the database is held while the client reads it. It is not one snapshot: a row that is written meanwhile may be
// in it or not. The last line is `end` with the number of lines before it; a stream without it was cut off. Of others it holds
// what the viewer may see of them; what isn't in it stands in Excluded, with its reason. Version changes with the meaning of a
// line; fields and kinds of lines may be added.
package export

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

// Version is the version of the format.
const Version = 1

// Budget is how long one export may take. The largest account of the medium dataset takes seconds.
const Budget = 5 * time.Minute

const (
	lease    = Budget + time.Minute
	atOnce   = 2 // exports of one server: each is as much work as a hundred lists
	pageSize = 500
	buffer   = 64 << 10 // more than the lines before the first flush take
)

// Service exports accounts.
type Service struct {
	store      *db.Queries
	ids        *publicid.Codec
	pictureURL string
	slots      chan struct{}
}

// New returns a Service. pictureURL is what the name of a picture is put behind.
func New(store *db.Queries, ids *publicid.Codec, pictureURL string) *Service {
	return &Service{store: store, ids: ids, pictureURL: pictureURL, slots: make(chan struct{}, atOnce)}
}

// Export is one that may begin. End ends it, whatever became of it.
type Export struct {
	Handle string

	service *Service
	account int64
}

// Begin lets one export of an account run at a time, and a few on this server.
func (s *Service) Begin(ctx context.Context, account int64) (*Export, error) {
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, fault.New(fault.Unavailable, "others are exporting; try again in a minute").WithCode("exports_busy")
	}
	handle, err := s.store.ClaimExport(ctx, db.ClaimExportParams{ID: account, LeaseSeconds: lease.Seconds()})
	if err != nil {
		<-s.slots
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, fault.New(fault.RateLimited, "an export of the account is running").WithCode("export_running")
		}
		return nil, fault.Op("begin export", err)
	}
	return &Export{Handle: handle, service: s, account: account}, nil
}

// End lets the next export of the account begin. Where the database does not answer, the lease does after a few minutes.
func (e *Export) End(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	<-e.service.slots
	return fault.Op("end export", e.service.store.ReleaseExport(ctx, e.account))
}

// line is one line of the stream.
type line struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// Write writes the stream to w. flushed is called after each page, when it has been written; nothing has before the first call.
func (e *Export) Write(ctx context.Context, w io.Writer, flushed func() error) error {
	buf := bufio.NewWriterSize(w, buffer)
	out := json.NewEncoder(buf)
	out.SetEscapeHTML(false)
	lines := 0
	write := func(l line) error {
		lines++
		return out.Encode(l)
	}
	err := write(line{"export", Header{Format: "platctl.export", Version: Version, StartedAt: stamp(time.Now())}})
	for _, s := range sections() {
		if err != nil {
			break
		}
		err = e.section(ctx, s, write, func() error { return errors.Join(buf.Flush(), flushed()) })
	}
	if err == nil {
		err = errors.Join(out.Encode(line{"end", End{Lines: lines}}), buf.Flush(), flushed())
	}
	return fault.Op("export", err)
}

func (e *Export) section(ctx context.Context, s section, write func(line) error, flush func() error) error {
	for at := (cursor{}); ; {
		lines, next, err := s.page(ctx, e.service, e.account, at)
		if err != nil {
			return err
		}
		for _, data := range lines {
			if err := write(line{s.kind, data}); err != nil {
				return err
			}
		}
		if err := flush(); err != nil {
			return err
		}
		if len(lines) < pageSize {
			return nil
		}
		at = next
	}
}
