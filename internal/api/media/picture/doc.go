// Package picture turns bytes that a stranger sent into pictures that are safe to show: it looks at the bytes, decodes them,
// turns them upright, makes them small and writes them anew.
//
// Invariants: nothing of the input but its pixels reaches the output, so no place, no camera and no payload behind the
// picture does; no pixel is decoded before the header promised that the pixels fit (33 megapixels, 12,000 a side, 320 MiB
// while decoding) and that format, content and declared type are the same; a size is never larger than the picture.
// Everything here is meant to run in a process of its own with limits (package child): a decoder may still hang or crash.
package picture

import "fmt"

// Code says why an upload is not a picture that can be shown. Clients, metrics and operators see these words.
type Code string

// Every way in which an upload fails. The first four are what this package finds; docs/media.md says what to do about each.
const (
	UnsupportedType    Code = "unsupported_type"    // not a JPEG, PNG, WebP or GIF, or a kind of one that is not read
	TypeMismatch       Code = "type_mismatch"       // a picture, but not of the type it was announced as
	TooManyPixels      Code = "too_many_pixels"     // more pixels, frames or passes than are worked on
	Corrupt            Code = "corrupt"             // damaged or cut short
	TooLarge           Code = "too_large"           // more bytes than fit
	DecodeTimeout      Code = "decode_timeout"      // took longer than a picture may
	DecodeOOM          Code = "decode_oom"          // took more memory than a picture may
	StoragePutFailed   Code = "storage_put_failed"  // the store refused to take the bytes
	StorageUnreachable Code = "storage_unreachable" // the store does not answer
	OrphanStaging      Code = "orphan_staging"      // announced, and the bytes never came
	StuckRunning       Code = "stuck_running"       // begun again and again, and never ended
	Poison             Code = "poison"              // every attempt ended without an answer
)

// Codes returns every code, in the order of docs/media.md.
func Codes() []Code {
	return []Code{
		TooLarge, UnsupportedType, TypeMismatch, TooManyPixels, Corrupt, DecodeTimeout, DecodeOOM,
		StoragePutFailed, StorageUnreachable, OrphanStaging, StuckRunning, Poison,
	}
}

// Rejection is a verdict about the bytes: trying again gives the same one. Detail is for the person who sent them.
type Rejection struct {
	Code   Code
	Detail string
}

// Error implements error.
func (r *Rejection) Error() string { return string(r.Code) + ": " + r.Detail }

func reject(c Code, format string, args ...any) error {
	return &Rejection{Code: c, Detail: fmt.Sprintf(format, args...)}
}
