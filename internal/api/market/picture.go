package market

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// SetPictures gives a product its pictures, in this order and instead of those it had, as a member of its farm.
func (s *Service) SetPictures(ctx context.Context, viewer, id int64, pictures []int64) (Product, error) {
	return s.change(ctx, "set pictures", viewer, id, func() (int64, error) {
		err := pg.InTx(ctx, s.db, func(tx pgx.Tx) error { return setPictures(ctx, db.New(tx), viewer, id, pictures) })
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return 0, timeline.Absent(aProduct)
		case pg.Is(err, pg.UniqueViolation), pg.Is(err, pg.ForeignKeyViolation): // attached elsewhere, or deleted, in this moment
			return 0, media.NotUsable("body.media", pictures, nil)
		}
		return 1, err
	})
}

func setPictures(ctx context.Context, q *db.Queries, viewer, id int64, pictures []int64) error {
	if _, err := q.LockProduct(ctx, id); err != nil {
		return err
	}
	rows, err := q.UsableForProduct(ctx, db.UsableForProductParams{ViewerID: viewer, ProductID: id, Ids: pictures})
	if err != nil {
		return err
	}
	var usable []int64
	fresh := []int64{}
	for _, r := range rows {
		usable = append(usable, r.ID)
		if !r.HasIt {
			fresh = append(fresh, r.ID)
		}
	}
	if len(usable) != len(pictures) || slices.ContainsFunc(pictures, func(id int64) bool { return !slices.Contains(usable, id) }) {
		return media.NotUsable("body.media", pictures, usable)
	}
	if err := q.ClearProductPictures(ctx, id); err != nil {
		return err
	}
	return fault.Op("attach pictures", q.AttachProductPictures(ctx, db.AttachProductPicturesParams{
		ProductID: id, ViewerID: viewer, MediaIds: pictures, Fresh: fresh, TraceID: telemetry.TraceID(ctx),
	}))
}
