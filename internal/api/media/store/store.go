// Package store keeps pictures: uploads until they are worked on (staging/), and what was made of them (public/). There are
// two places: a folder of this machine, and a bucket of an S3 service.
//
// Invariants: when Put returns nil the bytes survive a crash and a power cut; a key is written whole or not at all, and writing it
// again with the same bytes changes nothing; a key can't name anything outside the store. Errors have one of two codes,
// storage_put_failed and storage_unreachable, or the kind NotFound; causes are for the log.
package store

import (
	"context"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/base/fault"
)

// The two areas of a store. Only the second is ever served.
const (
	Staging = "staging/"
	Public  = "public/"
)

// Object is what List tells of a key.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time
}

// Store keeps objects by key: an area and a name. It is safe for concurrent use.
type Store interface {
	// Put stores size bytes of src.
	Put(ctx context.Context, key string, src io.ReaderAt, size int64) error
	// Fetch writes an object to dst. After an error dst may hold a part of it.
	Fetch(ctx context.Context, key string, dst io.Writer) error
	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List calls each with every object of an area, in no order, until one call fails.
	List(ctx context.Context, area string, each func(Object) error) error
}

// name is what may stand behind the area: long enough for two levels of folders, and without dots but before the ending.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{15,79}(\.webp)?$`)

func checkKey(key string) (area, base string, err error) {
	for _, area := range []string{Staging, Public} {
		if base, ok := strings.CutPrefix(key, area); ok && name.MatchString(base) {
			return area, base, nil
		}
	}
	return "", "", fault.New(fault.Invalid, "%.60q is not a key", key)
}

func absent(err error) error {
	return fault.Wrap(err, fault.NotFound, "there is no such object")
}

// refused is a store that answers, and does not take the bytes.
func refused(err error, format string, args ...any) error {
	return fault.Wrap(err, fault.Unavailable, format, args...).WithCode(string(picture.StoragePutFailed))
}

// unreachable is a store that does not answer.
func unreachable(err error) error {
	return fault.Wrap(err, fault.Unavailable, "the store of pictures can't be reached right now").WithCode(string(picture.StorageUnreachable))
}
