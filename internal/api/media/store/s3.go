package store

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/platctl/platctl/internal/base/fault"
)

// S3Options says which bucket, and who asks.
type S3Options struct {
	URL       string // https://HOST[:PORT]/BUCKET
	Region    string
	AccessKey string
	SecretKey string
	Timeout   time.Duration // of one call; 20 s when 0
}

// S3 keeps objects in a bucket.
type S3 struct {
	client  *minio.Client
	bucket  string
	timeout time.Duration
}

const (
	s3Timeout = 20 * time.Second
	s3Dial    = 3 * time.Second
)

// NewS3 returns the store in a bucket. It connects to nothing.
func NewS3(o S3Options) (*S3, error) {
	u, bucket, ok := splitURL(o.URL)
	if !ok {
		return nil, fault.New(fault.Config, "media.s3_url is not https://HOST[:PORT]/BUCKET")
	}
	if o.Timeout == 0 {
		o.Timeout = s3Timeout
	}
	c, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: u.Scheme == "https", Region: o.Region,
		MaxRetries: 1, // whoever calls tries again, later
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: s3Dial}).DialContext, TLSHandshakeTimeout: s3Dial,
			ResponseHeaderTimeout: o.Timeout, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		},
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "media.s3_url is not one of an S3 service")
	}
	return &S3{client: c, bucket: bucket, timeout: o.Timeout}, nil
}

func splitURL(text string) (u *url.URL, bucket string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, "", false
	}
	bucket = strings.Trim(u.EscapedPath(), "/")
	return u, bucket, bucket != "" && !strings.Contains(bucket, "/")
}

// Put implements Store. The service checks the bytes against their MD5.
func (s *S3) Put(ctx context.Context, key string, src io.ReaderAt, size int64) error {
	area, _, err := checkKey(key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	o := minio.PutObjectOptions{SendContentMd5: true, DisableMultipart: true, ContentType: "application/octet-stream"}
	if area == Public {
		o.ContentType, o.CacheControl, o.ContentDisposition = contentType, cacheControl, "inline"
	}
	info, err := s.client.PutObject(ctx, s.bucket, key, io.NewSectionReader(src, 0, size), size, o)
	if err == nil && info.Size != size {
		err = io.ErrShortWrite
	}
	return s.explain(err)
}

// Fetch implements Store.
func (s *S3) Fetch(ctx context.Context, key string, dst io.Writer) error {
	if _, _, err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	body, info, _, err := (&minio.Core{Client: s.client}).GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return s.explain(err)
	}
	defer body.Close()
	n, err := io.Copy(dst, body)
	if err == nil && n != info.Size {
		err = io.ErrUnexpectedEOF
	}
	return s.explain(err)
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if _, _, err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.explain(s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}))
}

// List implements Store.
func (s *S3) List(ctx context.Context, area string, each func(Object) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when each fails
	defer cancel()
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: area, Recursive: true}) {
		if o.Err != nil {
			return s.explain(o.Err)
		}
		if _, _, err := checkKey(o.Key); err != nil {
			continue // none of ours: left alone
		}
		if err := each(Object{Key: o.Key, Size: o.Size, Modified: o.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// explain sorts errors: not there, refused by the service, no service.
func (s *S3) explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return unreachable(err)
	}
	switch {
	case answer.Code == minio.NoSuchKey: // some answer 404 to an access key that they don't know, too
		return absent(err)
	case answer.Code == minio.NoSuchBucket:
		return refused(err, "the bucket of pictures does not exist")
	case answer.StatusCode == http.StatusGatewayTimeout, answer.StatusCode == http.StatusBadGateway:
		return unreachable(err)
	}
	return refused(err, "the store of pictures answered %d", answer.StatusCode)
}
