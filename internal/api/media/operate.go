package media

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// slow is how long an upload may wait before somebody should look.
const slow = 10 * time.Minute

// Status is how the pictures are doing.
type Status struct {
	Counts        []Count   `json:"counts"`
	Awaiting      int64     `json:"awaiting"` // announced; their bytes have not come
	Pending       int64     `json:"pending"`
	OldestSeconds float64   `json:"oldest_pending_seconds"`
	Troubled      []Trouble `json:"troubled"` // the newest 20 that failed or are tried again
}

// Count is how many blobs are in a state, for a reason.
type Count struct {
	State string `json:"state"`
	Code  string `json:"code,omitempty"`
	Blobs int64  `json:"blobs"`
	Bytes int64  `json:"bytes"` // as they were sent
}

// Trouble is a blob that failed or is tried again.
type Trouble struct {
	Blob      int64     `json:"blob"`
	Handle    string    `json:"handle,omitempty"` // empty for somebody who is purged
	State     string    `json:"state"`
	Code      string    `json:"code"`
	Detail    string    `json:"detail,omitempty"`
	Type      string    `json:"content_type"`
	Bytes     int64     `json:"bytes"`
	Tries     int32     `json:"tries"`
	Rescues   int32     `json:"rescues"`
	Retryable bool      `json:"retryable"` // its upload is there still
	CreatedAt time.Time `json:"created_at"`
}

// ReadStatus looks at the database alone.
func ReadStatus(ctx context.Context, q *db.Queries) (Status, error) {
	st := Status{Counts: []Count{}, Troubled: []Trouble{}}
	counts, err := q.MediaCounts(ctx)
	if err != nil {
		return st, fault.Op("read the status of pictures", err)
	}
	for _, c := range counts {
		st.Counts = append(st.Counts, Count{State: c.State, Code: c.Code, Blobs: c.N, Bytes: c.Bytes})
	}
	backlog, err := q.MediaBacklog(ctx)
	if err == nil {
		st.Pending, st.OldestSeconds = backlog.Pending, backlog.OldestSeconds
		st.Awaiting, err = q.AwaitingMedia(ctx)
	}
	if err != nil {
		return st, fault.Op("read the status of pictures", err)
	}
	rows, err := q.TroubledBlobs(ctx, 20)
	for _, r := range rows {
		st.Troubled = append(st.Troubled, Trouble{
			Blob: r.ID, Handle: r.Handle, State: r.State, Code: r.Code, Detail: r.Detail, Type: r.ContentType, Bytes: r.Bytes,
			Tries: r.Tries, Rescues: r.Rescues, Retryable: r.State == string(Failed) && r.Staged, CreatedAt: r.CreatedAt,
		})
	}
	return st, fault.Op("read the status of pictures", err)
}

// Verdict is nil while uploads become pictures soon enough.
func (s Status) Verdict() error {
	if s.OldestSeconds > slow.Seconds() {
		return fault.New(fault.No, "an upload has waited for %s", time.Duration(s.OldestSeconds*float64(time.Second)).Round(time.Second)).
			WithHint("its code below says why; docs/media.md says what to do")
	}
	return nil
}

// Retried is what a retry did.
type Retried struct {
	DryRun  bool    `json:"dry_run"`
	Blobs   []int64 `json:"blobs"`   // pending again
	Skipped []int64 `json:"skipped"` // their owners have sent the same bytes again since
}

// Retry makes failed uploads pending again: one, or those with a code, or all of which the bytes are there still.
func (s *Service) Retry(ctx context.Context, blob int64, code string, dry bool) (Retried, error) {
	out := Retried{DryRun: dry, Blobs: []int64{}, Skipped: []int64{}}
	ids, err := s.queries.RevivableBlobs(ctx, db.RevivableBlobsParams{ID: blob, Code: code})
	if err != nil {
		return out, fault.Op("retry pictures", err)
	}
	for _, id := range ids {
		done := true
		if !dry {
			if done, err = s.revive(ctx, id); err != nil {
				return out, fault.Op("retry pictures", err)
			}
		}
		if done {
			out.Blobs = append(out.Blobs, id)
		} else {
			out.Skipped = append(out.Skipped, id)
		}
	}
	return out, nil
}

func (s *Service) revive(ctx context.Context, blob int64) (bool, error) {
	revived := false
	err := pg.InTx(ctx, s.o.DB, func(tx pgx.Tx) error {
		n, err := db.New(tx).ReviveBlob(ctx, blob)
		if err != nil || n == 0 {
			return err
		}
		revived = true
		return s.insertProcess(ctx, tx, []int64{blob})
	})
	if pg.Is(err, pg.UniqueViolation) { // the owner sent the same bytes in this moment
		return false, nil
	}
	return revived && err == nil, err
}
