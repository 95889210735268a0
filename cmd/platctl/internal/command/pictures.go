package command

import (
	"log/slog"
	"path/filepath"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/store"
)

// Pictures is where pictures are kept.
type Pictures struct {
	Store   store.Store
	Local   *store.Local   // nil: they are in a bucket
	Guarded *store.Guarded // nil: they are on this machine
	WorkDir string         // for those on their way
	Limits  media.Limits
	URL     string // where clients find them; empty: at this server
}

// Pictures answers where pictures are, for serve and for tools: in the bucket of media.s3_url, else in a folder. It connects to
// nothing.
func (d *Deps) Pictures(log *slog.Logger) (*Pictures, error) {
	s, err := d.Settings()
	if err != nil {
		return nil, err
	}
	c := s.Config.Media
	dir := c.Dir
	if dir == "" {
		dir = filepath.Join(s.Config.StateDir, "media")
	}
	p := &Pictures{
		WorkDir: filepath.Join(dir, "work"), URL: c.PublicURL,
		Limits: media.Limits{Bytes: c.MaxBytes, AccountFiles: c.AccountFiles, AccountBytes: c.AccountBytes},
	}
	if c.S3URL == "" {
		p.Local, err = store.NewLocal(dir)
		p.Store = p.Local
		return p, err
	}
	o := store.S3Options{URL: c.S3URL, Region: c.S3Region}
	if o.AccessKey, err = s.Secret("media.s3_access_key", c.S3AccessKey); err != nil {
		return nil, err
	}
	if o.SecretKey, err = s.Secret("media.s3_secret_key", c.S3SecretKey); err != nil {
		return nil, err
	}
	bucket, err := store.NewS3(o)
	if err != nil {
		return nil, err
	}
	p.Guarded = store.Guard(bucket, log)
	p.Store = p.Guarded
	return p, nil
}
