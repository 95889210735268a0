package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/media/child"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	attemptTime = 55 * time.Second // of one attempt: the queue ends a job after a minute
	maxTries    = 5                // processes that crashed, of one picture
	maxCostly   = 2                // processes that hit a limit, of one picture
	maxRescues  = 5
	retryTop    = 10 * time.Minute // between two tries while the store fails
)

// Queue is where pictures are worked on, apart from all other jobs: one may take half a minute.
const Queue = "media"

type processArgs struct {
	Blob int64 `json:"blob"`
}

// Kind implements jobs.Args.
func (processArgs) Kind() string { return "media_process" }

// Queue implements jobs.Queued.
func (processArgs) Queue() string { return Queue }

// register adds the handlers of pictures to the queue, and the work that is done by the clock.
func (s *Service) register() {
	jobs.Handle(s.o.Jobs, s.process)
	jobs.Handle(s.o.Jobs, func(ctx context.Context, a dropArgs) error { return s.drop(ctx, a.Blob) })
	jobs.Handle(s.o.Jobs, func(ctx context.Context, _ rescueArgs) error { _, err := s.Rescue(ctx); return err })
	jobs.Handle(s.o.Jobs, func(ctx context.Context, _ cleanArgs) error { _, err := s.CleanUp(ctx, false); return err })
	s.o.Jobs.Every(rescueEvery, rescueArgs{})
	s.o.Jobs.Every(cleanEvery, cleanArgs{})
}

// process works on one upload: at least once, by one claim at a time.
func (s *Service) process(ctx context.Context, a processArgs) error {
	b, err := s.queries.ClaimBlob(ctx, db.ClaimBlobParams{ID: a.Blob, LeaseSeconds: s.o.Timing.Lease.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // done, or somebody else's
	}
	if err != nil {
		return fault.Op("claim an upload", err)
	}
	if b.Rescues > maxRescues {
		return s.fail(ctx, b, picture.StuckRunning, "the server did not get to the end of it; try again later")
	}
	working, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	sizes, err := s.make(working, b)
	return s.conclude(ctx, b, sizes, err)
}

// make turns an upload into objects of the public area.
func (s *Service) make(ctx context.Context, b db.ClaimBlobRow) ([]Size, error) {
	in, err := s.fetch(ctx, b)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := s.o.Decoder.Convert(ctx, in, b.ContentType, sides())
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.Metrics.stage("decode", out.Decode)
	s.Metrics.stage("scale", out.Scale)
	s.Metrics.stage("encode", out.Encode)
	start := time.Now()
	made := Picture{Key: b.Key}
	for i, m := range out.Made {
		size := Size{Width: m.Width, Height: m.Height, Bytes: m.Bytes}
		if err := s.o.Store.Put(ctx, store.Public+made.Name(size), out.Files[i], m.Bytes); err != nil {
			return nil, err
		}
		made.Sizes = append(made.Sizes, size)
	}
	s.Metrics.stage("store", time.Since(start))
	return made.Sizes, nil
}

// fetch gets the upload out of the store, and makes sure that it is what was acknowledged.
func (s *Service) fetch(ctx context.Context, b db.ClaimBlobRow) (*os.File, error) {
	defer func(start time.Time) { s.Metrics.stage("fetch", time.Since(start)) }(time.Now())
	f, err := s.nameless()
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	err = s.o.Store.Fetch(ctx, store.Staging+b.Staging, io.MultiWriter(f, hash))
	switch {
	case errors.Is(err, fault.NotFound):
		err = &picture.Rejection{Code: picture.OrphanStaging, Detail: "its bytes are gone; send it again"}
	case err == nil && !bytes.Equal(hash.Sum(nil), b.Sha256):
		err = &child.Failure{Detail: "the store returned other bytes than it was given"}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// conclude writes down what came of an attempt. It does so also when the server is about to stop.
func (s *Service) conclude(ctx context.Context, b db.ClaimBlobRow, sizes []Size, err error) error {
	var no *picture.Rejection
	var died *child.Failure
	switch {
	case err == nil:
		return s.succeed(ctx, b, sizes)
	case errors.As(err, &no):
		return s.fail(ctx, b, no.Code, no.Detail)
	case ctx.Err() != nil:
		return s.release(ctx, b, "", 0, 0, err)
	case errors.As(err, &died):
		return s.afterDeath(ctx, b, died)
	}
	code := storageCode(err)
	age := time.Duration(b.AgeSeconds * float64(time.Second))
	if age > s.o.Timing.GiveUp {
		if code == "" {
			code = picture.StuckRunning
		}
		return s.fail(ctx, b, code, "the server could not keep it for a day; try again later")
	}
	return s.release(ctx, b, code, 0, min(max(age/4, s.o.Timing.FirstRetry), retryTop), err)
}

// storageCode returns the code of an error of the store, and none for other errors of ours. A store that used up the attempt
// does not answer.
func storageCode(err error) picture.Code {
	if errors.Is(err, context.DeadlineExceeded) {
		return picture.StorageUnreachable
	}
	return storeCode(err)
}

// storeCode returns the code that the store gave an error, and none for those of others.
func storeCode(err error) picture.Code {
	switch c := picture.Code(fault.From(err).Code); c {
	case picture.StoragePutFailed, picture.StorageUnreachable:
		return c
	}
	return ""
}

// afterDeath decides about a picture whose process died: a limit twice is the picture's, and so is a crash five times.
func (s *Service) afterDeath(ctx context.Context, b db.ClaimBlobRow, f *child.Failure) error {
	tries := int(b.Tries) + 1
	s.o.Log.WarnContext(ctx, "a picture's process died", "blob", b.ID, "code", f.Code, "detail", f.Detail, "tries", tries)
	switch {
	case f.Code != "" && tries >= maxCostly:
		return s.fail(ctx, b, f.Code, f.Detail)
	case tries >= maxTries:
		return s.fail(ctx, b, picture.Poison, "it could not be worked on; save it anew and send that")
	}
	code := f.Code
	if code == "" {
		code = picture.Poison
	}
	return s.release(ctx, b, code, 1, time.Duration(tries*tries)*s.o.Timing.FirstRetry, f)
}

// release gives the claim back, and has the job run again after a while.
func (s *Service) release(ctx context.Context, b db.ClaimBlobRow, code picture.Code, counted int32, after time.Duration, cause error) error {
	stopping := ctx.Err() != nil
	ctx, cancel := settled(ctx)
	defer cancel()
	n, err := s.queries.ReleaseBlob(ctx, db.ReleaseBlobParams{
		ID: b.ID, Claim: b.Claim, Code: string(code), Detail: fault.From(cause).Message, Counted: counted,
	})
	switch {
	case err != nil:
		return fault.Op("release an upload", errors.Join(err, cause))
	case n == 0: // somebody else has taken over
		return nil
	case stopping:
		return cause
	}
	s.Metrics.results.WithLabelValues("retried").Inc()
	s.o.Log.InfoContext(ctx, "a picture is tried again", "blob", b.ID, "code", code, "after", after, "error", cause)
	return jobs.Later(after)
}

func (s *Service) succeed(ctx context.Context, b db.ClaimBlobRow, sizes []Size) error {
	data, err := json.Marshal(sizes)
	if err != nil {
		return fault.Op("describe a picture", err)
	}
	return s.finish(ctx, b, db.FinishBlobParams{State: string(Ready), Sizes: data}, string(Ready))
}

func (s *Service) fail(ctx context.Context, b db.ClaimBlobRow, code picture.Code, detail string) error {
	c := string(code)
	return s.finish(ctx, b, db.FinishBlobParams{State: string(Failed), Code: &c, Detail: detail, Sizes: []byte("[]")}, c)
}

// finish ends the work on an upload. What will not be tried again is not needed any more: it may tell where somebody was.
func (s *Service) finish(ctx context.Context, b db.ClaimBlobRow, p db.FinishBlobParams, result string) error {
	ctx, cancel := settled(ctx)
	defer cancel()
	p.ID, p.Claim = b.ID, b.Claim
	n, err := s.queries.FinishBlob(ctx, p)
	if err != nil {
		return fault.Op("finish a picture", err)
	}
	if n == 0 { // somebody else has taken over, or it was deleted meanwhile
		return nil
	}
	s.Metrics.results.WithLabelValues(result).Inc()
	level := slog.LevelInfo
	if p.State == string(Failed) && revivable(picture.Code(result)) {
		level = slog.LevelError
	}
	s.o.Log.Log(ctx, level, "picture", "blob", b.ID, "result", result, "detail", p.Detail)
	if p.State == string(Ready) || !revivable(picture.Code(result)) {
		s.forget(ctx, b.ID, b.Staging)
	}
	return nil
}

// revivable says whether an upload that failed may become a picture when it is tried again.
func revivable(c picture.Code) bool {
	switch c {
	case picture.UnsupportedType, picture.TypeMismatch, picture.TooManyPixels, picture.Corrupt, picture.OrphanStaging:
		return false
	}
	return true
}

// forget removes an upload from the store. What is left when that fails, the clean-up removes.
func (s *Service) forget(ctx context.Context, blob int64, staging string) {
	if err := s.o.Store.Delete(ctx, store.Staging+staging); err != nil {
		s.o.Log.WarnContext(ctx, "an upload that is not needed stays for now", "blob", blob, "error", err)
		return
	}
	if err := s.queries.ForgetStaging(ctx, db.ForgetStagingParams{ID: blob, Staging: staging}); err != nil {
		s.o.Log.WarnContext(ctx, "an upload that is gone is still noted", "blob", blob, "error", err)
	}
}
