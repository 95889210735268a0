package httpapi

import (
	"context"
	"errors"
	"io"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

// formMemory is how much of a multipart form is kept in memory; the rest of a picture goes to a temporary file.
const formMemory = 1 << 20

// mediaAPI is the operations of the tag "media".
type mediaAPI struct {
	service *media.Service
	shelf   shelf
}

// CreateMedia implements operation createMedia.
func (a mediaAPI) CreateMedia(ctx context.Context, req oas.CreateMediaReq) (*oas.MediaResponse, error) {
	switch req := req.(type) {
	case *oas.CreateMediaRequest:
		return a.answer(a.service.Announce(ctx, viewer(ctx), string(req.Purpose), req.ContentType, req.Size))
	case *oas.CreateMediaFormMultipart:
		f := req.File
		return a.answer(a.whole(ctx, string(req.Purpose), f.Header.Get("Content-Type"), f.Size, f.File))
	}
	return nil, fault.New(fault.Unsupported, "the body must be application/json or multipart/form-data")
}

// whole announces a picture and sends it, for a form. Nobody could use what stays announced when sending fails.
func (a mediaAPI) whole(ctx context.Context, purpose, contentType string, size int64, body io.Reader) (media.Media, error) {
	m, err := a.service.Announce(ctx, viewer(ctx), purpose, contentType, size)
	if err != nil {
		return m, err
	}
	id := m.ID
	if m, err = a.service.Upload(ctx, viewer(ctx), id, body); err != nil {
		err = errors.Join(err, a.service.Delete(ctx, viewer(ctx), id))
	}
	return m, err
}

// UploadMedia implements operation uploadMedia.
func (a mediaAPI) UploadMedia(ctx context.Context, req oas.UploadMediaReq, params oas.UploadMediaParams) (*oas.MediaResponse, error) {
	var body io.Reader
	switch req := req.(type) {
	case *oas.UploadMediaReqApplicationOctetStream:
		body = req.Data
	case *oas.UploadMediaReqImageWithContentType:
		body = req.Content.Data
	}
	return a.answer(a.service.Upload(ctx, viewer(ctx), a.shelf.id(params.ID), body))
}

// GetMedia implements operation getMedia.
func (a mediaAPI) GetMedia(ctx context.Context, params oas.GetMediaParams) (*oas.MediaResponse, error) {
	return a.answer(a.service.Get(ctx, viewer(ctx), a.shelf.id(params.ID)))
}

// DeleteMedia implements operation deleteMedia.
func (a mediaAPI) DeleteMedia(ctx context.Context, params oas.DeleteMediaParams) error {
	return a.service.Delete(ctx, viewer(ctx), a.shelf.id(params.ID))
}

func (a mediaAPI) answer(m media.Media, err error) (*oas.MediaResponse, error) {
	if err != nil {
		return nil, err
	}
	id := a.shelf.ids.Encode(publicid.Media, m.ID)
	out := oas.Media{
		ID: oas.MediaId(id), Purpose: oas.MediaPurpose(m.Purpose), ContentType: m.ContentType, Size: m.Bytes, State: oas.MediaState(m.State),
		UploadUrl: "/api/v1/media/" + id + "/content", Sizes: a.shelf.sizes(m.Picture), CreatedAt: m.CreatedAt.UTC(),
	}
	if m.State == media.Failed {
		out.Failure.SetTo(oas.MediaFailure{Code: oas.MediaFailureCode(m.Code), Detail: m.Detail})
	}
	return &oas.MediaResponse{Success: oas.SuccessTrue, Data: out}, nil
}

// shelf tells clients of pictures: their ids, and where they are served.
type shelf struct {
	ids *publicid.Codec
	url string
}

func (s shelf) id(id oas.MediaId) int64 { return known(s.ids, publicid.Media, string(id)) }

func (s shelf) idsOf(ids []oas.MediaId) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = s.id(id)
	}
	return out
}

func (s shelf) list(pictures []media.Picture) []oas.Picture {
	out := make([]oas.Picture, len(pictures))
	for i, p := range pictures {
		out[i] = s.picture(p)
	}
	return out
}

func (s shelf) picture(p media.Picture) oas.Picture {
	return oas.Picture{ID: oas.MediaId(s.ids.Encode(publicid.Media, p.ID)), Sizes: s.sizes(p)}
}

func (s shelf) sizes(p media.Picture) []oas.PictureSize {
	out := make([]oas.PictureSize, len(p.Sizes))
	for i, size := range p.Sizes {
		out[i] = oas.PictureSize{URL: s.url + "/" + p.Name(size), Width: int32(size.Width), Height: int32(size.Height)}
	}
	return out
}
