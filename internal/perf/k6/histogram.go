package k6

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Every histogram has this shape: microseconds from 1 µs to 60 s with three digits.
const (
	lowestMicros  = 1
	highestMicros = 60_000_000
	digits        = 3
)

const (
	compressedHeader = 8         // cookie, length
	plainHeader      = 40        // cookie, length, offset, digits, lowest, highest, ratio
	maxPlain         = 256 << 10 // 17,400 counters of at most 9 bytes are 157 KB
)

// NewHistogram returns an empty histogram of the one shape; 139,332 bytes.
func NewHistogram() *hdr.Histogram { return hdr.New(lowestMicros, highestMicros, digits) }

// DecodeHistogram reads the base64 of HdrHistogram's compressed V2 encoding; "" is the empty histogram.
//
// The library trusts its input: it panics on short or overlong data and allocates whatever shape the header asks for. So
// the header is checked here and a panic over the counters becomes an error.
func DecodeHistogram(text string) (h *hdr.Histogram, err error) {
	if text == "" {
		return NewHistogram(), nil
	}
	if err := checkShape(text); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			h, err = nil, fmt.Errorf("histogram: counters out of range: %v", r)
		}
	}()
	h, err = hdr.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return h, checkCounts(h)
}

func checkShape(text string) error {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if len(raw) < compressedHeader {
		return errors.New("histogram: too short")
	}
	if n := int32(binary.BigEndian.Uint32(raw[4:])); n < 0 || int(n) != len(raw)-compressedHeader {
		return errors.New("histogram: wrong length")
	}
	z, err := zlib.NewReader(bytes.NewReader(raw[compressedHeader:]))
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxPlain+1))
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if len(plain) < plainHeader || len(plain) > maxPlain {
		return fmt.Errorf("histogram: %d bytes of counters", len(plain))
	}
	low, high := binary.BigEndian.Uint64(plain[16:]), binary.BigEndian.Uint64(plain[24:])
	if d := binary.BigEndian.Uint32(plain[12:]); d != digits || low != lowestMicros || high != highestMicros {
		return fmt.Errorf("histogram: shape %d..%d with %d digits instead of %d..%d with %d",
			low, high, d, lowestMicros, highestMicros, digits)
	}
	return nil
}

// checkCounts refuses what no recorder can have written: totals that wrapped around.
func checkCounts(h *hdr.Histogram) error {
	var sum int64
	for _, b := range h.Distribution() {
		if b.Count < 0 || sum+b.Count < sum {
			return errors.New("histogram: counters out of range")
		}
		sum += b.Count
	}
	if sum != h.TotalCount() {
		return errors.New("histogram: counters don't add up")
	}
	return nil
}
