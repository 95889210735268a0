package media

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

const (
	rescueEvery = time.Minute
	cleanEvery  = time.Hour
	batch       = 500
)

type rescueArgs struct{}

// Kind implements jobs.Args.
func (rescueArgs) Kind() string { return "media_rescue" }

type cleanArgs struct{}

// Kind implements jobs.Args.
func (cleanArgs) Kind() string { return "media_clean" }

type dropArgs struct {
	Blob int64 `json:"blob"`
}

// Kind implements jobs.Args.
func (dropArgs) Kind() string { return "media_drop" }

// Rescue makes a new job for every upload that nobody works on: whoever did is gone, or its job is. It returns how many.
func (s *Service) Rescue(ctx context.Context) (int, error) {
	n := 0
	err := pg.InTx(ctx, s.o.DB, func(tx pgx.Tx) error {
		ids, err := db.New(tx).StuckBlobs(ctx, db.StuckBlobsParams{GraceSeconds: s.o.Timing.Lease.Seconds(), AtMost: batch})
		if err != nil {
			return err
		}
		n = len(ids)
		return s.insertProcess(ctx, tx, ids)
	})
	if n > 0 && err == nil {
		s.Metrics.results.WithLabelValues("rescued").Add(float64(n))
		s.o.Log.WarnContext(ctx, "uploads were left by whoever worked on them", "code", picture.StuckRunning, "uploads", n)
	}
	return n, fault.Op("rescue uploads", err)
}

func (s *Service) insertProcess(ctx context.Context, tx pgx.Tx, blobs []int64) error {
	for _, id := range blobs {
		if err := s.o.Jobs.Insert(ctx, tx, processArgs{id}); err != nil {
			return err
		}
	}
	return nil
}

// Cleaned is what a clean-up removed, or would remove.
type Cleaned struct {
	DryRun  bool  `json:"dry_run"`
	Expired int64 `json:"expired"` // announced, and the bytes never came
	Unused  int64 `json:"unused"`  // pictures attached to nothing
	Blobs   int64 `json:"blobs"`   // bytes of no picture, with what was made of them
	Uploads int64 `json:"uploads"` // of failed pictures, kept for a week
	Orphans int64 `json:"orphans"` // objects in the store that no row knows
}

// CleanUp removes what nothing needs. It may run at any time, also twice at once.
func (s *Service) CleanUp(ctx context.Context, dry bool) (Cleaned, error) {
	c := Cleaned{DryRun: dry}
	for _, step := range []func(context.Context, *Cleaned) error{
		s.cleanRows,    // pictures first: what they leave behind is for the next step
		s.cleanBlobs,   // bytes of no picture, with their objects
		s.cleanUploads, // of failures that nobody tried again
		s.cleanOrphans, // objects that a crash left between the store and the database
	} {
		if err := step(ctx, &c); err != nil {
			return c, fault.Op("clean up pictures", err)
		}
	}
	if !dry {
		s.Metrics.orphans.Set(float64(c.Orphans))
		s.Metrics.results.WithLabelValues(string(picture.OrphanStaging)).Add(float64(c.Expired))
	}
	return c, nil
}

func (s *Service) cleanRows(ctx context.Context, c *Cleaned) error {
	after, failed := s.o.Timing.Unused.Seconds(), s.o.Timing.KeepFailed.Seconds()
	if c.DryRun {
		n, err := s.queries.CountUnusedMedia(ctx, db.CountUnusedMediaParams{AfterSeconds: after, FailedAfterSeconds: failed})
		c.Expired, c.Unused = n.Expiring, n.Unused
		return err
	}
	var err error
	c.Expired, err = inBatches(func() (int64, error) {
		return s.queries.ExpireMedia(ctx, db.ExpireMediaParams{AfterSeconds: after, AtMost: batch})
	})
	if err == nil {
		c.Unused, err = inBatches(func() (int64, error) {
			return s.queries.DeleteUnusedMedia(ctx, db.DeleteUnusedMediaParams{AfterSeconds: after, FailedAfterSeconds: failed, AtMost: batch})
		})
	}
	return err
}

// inBatches repeats a statement until it finds less than a batch.
func inBatches(one func() (int64, error)) (total int64, err error) {
	for {
		n, err := one()
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}

func (s *Service) cleanBlobs(ctx context.Context, c *Cleaned) error {
	for after := int64(0); ; {
		ids, err := s.queries.UnusedBlobs(ctx, db.UnusedBlobsParams{AfterID: after, AtMost: batch})
		if err != nil {
			return err
		}
		for _, id := range ids {
			after = id
			c.Blobs++
			if c.DryRun {
				continue
			}
			if err := s.drop(ctx, id); err != nil {
				return err
			}
		}
		if len(ids) < batch {
			return nil
		}
	}
}

// drop removes a blob that no picture has: it is marked first, so that no picture takes it, then its objects go, then its row.
// Whatever ends this in the middle, it can be done again.
func (s *Service) drop(ctx context.Context, blob int64) error {
	var r db.DropBlobRow
	err := pg.InTx(ctx, s.o.DB, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.LockBlob(ctx, blob); err != nil { // waits for whoever is taking it; the next statement sees the outcome
			return err
		}
		var err error
		r, err = q.DropBlob(ctx, blob)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // gone, or a picture's again
	}
	if err != nil {
		return fault.Op("drop a picture", err)
	}
	p := Picture{Key: r.Key}
	if err := json.Unmarshal(r.Sizes, &p.Sizes); err != nil {
		return fault.Op("drop a picture", err)
	}
	var keys []string
	for _, size := range p.Sizes {
		keys = append(keys, store.Public+p.Name(size))
	}
	if r.Staging != "" {
		keys = append(keys, store.Staging+r.Staging)
	}
	for _, key := range keys {
		if err := s.o.Store.Delete(ctx, key); err != nil {
			return fault.Op("drop a picture", err)
		}
	}
	_, err = s.queries.DeleteBlob(ctx, blob)
	return fault.Op("drop a picture", err)
}

func (s *Service) cleanUploads(ctx context.Context, c *Cleaned) error {
	for {
		old, err := s.queries.OldStaging(ctx, db.OldStagingParams{AfterSeconds: s.o.Timing.KeepFailed.Seconds(), AtMost: batch})
		if err != nil {
			return err
		}
		c.Uploads += int64(len(old))
		if c.DryRun {
			return nil
		}
		for _, b := range old {
			if err := s.o.Store.Delete(ctx, store.Staging+b.Staging); err != nil {
				return err
			}
			if err := s.queries.ForgetStaging(ctx, db.ForgetStagingParams(b)); err != nil {
				return err
			}
		}
		if len(old) < batch {
			return nil
		}
	}
}

// cleanOrphans compares the store with the database. Young objects are left alone: their rows may be on the way.
func (s *Service) cleanOrphans(ctx context.Context, c *Cleaned) error {
	for area, unknown := range map[string]func(context.Context, []string) ([]string, error){
		store.Staging: s.unknownStaging, store.Public: s.unknownPublic,
	} {
		var names []string
		flush := func() error {
			orphans, err := unknown(ctx, names)
			names = names[:0]
			if err != nil {
				return err
			}
			c.Orphans += int64(len(orphans))
			for _, name := range orphans {
				if c.DryRun {
					break
				}
				if err := s.o.Store.Delete(ctx, area+name); err != nil {
					return err
				}
			}
			return nil
		}
		err := s.o.Store.List(ctx, area, func(o store.Object) error {
			if time.Since(o.Modified) < s.o.Timing.Unused {
				return nil
			}
			if names = append(names, strings.TrimPrefix(o.Key, area)); len(names) < batch {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) unknownStaging(ctx context.Context, names []string) ([]string, error) {
	known, err := s.queries.KnownStaging(ctx, names)
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(known, n) }), err
}

func (s *Service) unknownPublic(ctx context.Context, names []string) ([]string, error) {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = keyOf(n)
	}
	known, err := s.queries.KnownKeys(ctx, keys)
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(known, keyOf(n)) }), err
}
