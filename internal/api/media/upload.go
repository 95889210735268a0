package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Upload takes the bytes of a picture that was announced. When it returns without an error they can't get lost any more: they are
// durable in the store, and the job that works on them is committed. Sending the same bytes again changes nothing.
func (s *Service) Upload(ctx context.Context, owner, id int64, body io.Reader) (Media, error) {
	m, err := s.expected(ctx, owner, id)
	if err != nil {
		return m, err
	}
	if m.Code == picture.OrphanStaging {
		return m, fault.New(fault.Conflict, "its bytes did not come within a day; announce it again").WithCode(string(picture.OrphanStaging))
	}
	ctx = context.WithoutCancel(ctx) // what has come is kept, also when the client leaves before it hears so
	if err := s.take(ctx, owner, m, body); err != nil {
		if c := storeCode(err); c != "" {
			s.Metrics.results.WithLabelValues(string(c)).Inc()
		}
		return m, err
	}
	return s.Get(ctx, owner, id)
}

func (s *Service) take(ctx context.Context, owner int64, m Media, body io.Reader) error {
	up, err := s.receive(body, m)
	if err != nil {
		return err
	}
	defer up.file.Close()
	return s.keep(ctx, owner, m, up)
}

// expected returns the picture that bytes are sent for. The request may take minutes; this must not.
func (s *Service) expected(ctx context.Context, owner, id int64) (Media, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return s.Get(ctx, owner, id)
}

// received is an upload in a file without a name.
type received struct {
	file *os.File
	sum  []byte
}

// receive writes the body to the disk while it comes, so that memory stays flat and a slow client keeps nothing but a descriptor.
func (s *Service) receive(body io.Reader, m Media) (_ received, err error) {
	f, err := s.nameless()
	if err != nil {
		return received{}, noSpool(err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	head := make([]byte, 512)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return received{}, unreadable(err)
	}
	if err := s.sniff(head[:n], m); err != nil {
		return received{}, err
	}
	hash := sha256.New()
	from := &source{r: io.MultiReader(bytes.NewReader(head[:n]), body)}
	got, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(from, m.Bytes+1))
	switch {
	case from.err != nil:
		return received{}, unreadable(from.err)
	case err != nil:
		return received{}, noSpool(err)
	case got > m.Bytes:
		return received{}, s.refuse(fault.TooLarge, picture.TooLarge, "more than the %d bytes that were announced", m.Bytes)
	case got < m.Bytes:
		return received{}, fault.New(fault.Invalid, "%d of %d bytes came", got, m.Bytes).WithCode("size_mismatch")
	}
	return received{f, hash.Sum(nil)}, nil
}

// sniff turns away what is no picture of the announced type by its first bytes.
func (s *Service) sniff(head []byte, m Media) error {
	_, err := picture.Sniff(head, m.ContentType)
	var no *picture.Rejection
	switch {
	case len(head) == 0:
		return fault.New(fault.Invalid, "0 of %d bytes came", m.Bytes).WithCode("size_mismatch")
	case errors.As(err, &no):
		return s.refuse(fault.Unsupported, no.Code, "%s", no.Detail)
	}
	return nil
}

// source remembers its own error, which Copy mixes with that of the file.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func unreadable(err error) error {
	var known *fault.Error // the server's own words, for a body that is too large or too slow
	if errors.As(err, &known) {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "the body could not be read").WithCode("unreadable_body")
}

func noSpool(err error) error {
	what := "the server can't take a picture right now"
	if durable.StorageFull(err) {
		what = "the server has no room for a picture on its way"
	}
	return fault.Wrap(err, fault.Unavailable, "%s", what).WithCode(string(picture.StoragePutFailed))
}

// Spool returns a new file for a form that is read before it is worked on. It is gone when it is closed.
func (s *Service) Spool() (*os.File, error) {
	f, err := s.nameless()
	if err != nil {
		return nil, noSpool(err)
	}
	return f, nil
}

// nameless returns a new file that is gone with its last descriptor.
func (s *Service) nameless() (*os.File, error) {
	f, err := os.CreateTemp(s.o.Dir, "upload-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// keep makes an upload durable and commits to working on it. Bytes that the owner has sent before are not kept twice.
func (s *Service) keep(ctx context.Context, owner int64, m Media, up received) error {
	name := newKey()
	if err := s.o.Store.Put(ctx, store.Staging+name, up.file, m.Bytes); err != nil {
		return fault.Op("keep an upload", err)
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	same := false
	err := pg.InTx(ctx, s.o.DB, func(tx pgx.Tx) error {
		var err error
		same, err = s.commit(ctx, tx, owner, m, up.sum, name)
		return err
	})
	if err != nil {
		// The commit may have happened nevertheless, so the bytes stay: the clean-up knows whether they are somebody's.
		return fault.Op("keep an upload", err)
	}
	if same {
		_ = s.o.Store.Delete(ctx, store.Staging+name) // else the clean-up finds it
	}
	return nil
}

// commit gives a picture its blob: the one that the owner has with the same bytes, or a new one with its job. Same says that
// the staged bytes are not needed.
func (s *Service) commit(ctx context.Context, tx pgx.Tx, owner int64, m Media, sum []byte, staging string) (same bool, err error) {
	q := db.New(tx)
	locked, err := q.LockMedia(ctx, db.LockMediaParams{ID: m.ID, OwnerID: owner})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && locked.Expired {
		return false, noSuchPicture()
	}
	if err != nil {
		return false, err
	}
	if locked.BlobID != nil {
		return true, sameBytes(ctx, q, owner, m.ID, sum)
	}
	content := db.SameBlobParams{OwnerID: owner, Sha256: sum, ContentType: m.ContentType}
	blob, err := q.SameBlob(ctx, content)
	same = err == nil
	if errors.Is(err, pgx.ErrNoRows) {
		blob, err = s.newBlob(ctx, tx, owner, m, sum, staging)
	}
	if err != nil {
		return same, err
	}
	return same, q.SetMediaBlob(ctx, db.SetMediaBlobParams{BlobID: blob, ID: m.ID})
}

func (s *Service) newBlob(ctx context.Context, tx pgx.Tx, owner int64, m Media, sum []byte, staging string) (int64, error) {
	blob, err := db.New(tx).CreateBlob(ctx, db.CreateBlobParams{
		OwnerID: owner, Sha256: sum, ContentType: m.ContentType, Bytes: m.Bytes, Key: newKey(), Staging: staging,
	})
	if err != nil {
		return 0, err
	}
	return blob, s.o.Jobs.Insert(ctx, tx, processArgs{blob})
}

// sameBytes lets an upload pass that came before, and refuses another one in its place.
func sameBytes(ctx context.Context, q *db.Queries, owner, id int64, sum []byte) error {
	r, err := q.GetMedia(ctx, db.GetMediaParams{ID: id, OwnerID: owner})
	if err == nil && !bytes.Equal(r.Sha256, sum) {
		err = fault.New(fault.Conflict, "other bytes came before; announce another picture").WithCode("already_uploaded")
	}
	return err
}
