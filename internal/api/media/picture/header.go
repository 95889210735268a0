package picture

import (
	"errors"
	"image/jpeg"
	"image/png"
)

// Limits on a picture.
const (
	MaxPixels = 33_000_000
	MaxSide   = 12_000
	maxMemory = 320 << 20 // bytes, while decoding
	maxFrames = 1000      // of an animation, of which one is kept
	maxScans  = 64        // passes over a JPEG: each costs the time of a whole picture and may be 12 bytes long
	maxChunks = 100_000   // pieces of a PNG, a GIF or a WebP
)

// Header is what a picture says about itself before any pixel is decoded.
type Header struct {
	Format      Format
	Width       int
	Height      int
	Orientation int // as EXIF counts: 1 is upright, 2 to 8 are turned or mirrored
}

// facts is what a walk over the pieces of a file finds.
type facts struct {
	frames       int
	scans        int
	bitsPerPixel int64  // upper bound of what decoding allocates
	exif         []byte // TIFF data
	animated     bool   // in a way that the decoder does not read
}

// Inspect reads the header and refuses what must not be decoded.
func Inspect(data []byte, declared string) (Header, error) {
	f, err := Sniff(data, declared)
	if err != nil {
		return Header{}, err
	}
	c, err := f.config(data)
	if err != nil {
		return Header{}, undecodable(err)
	}
	h := Header{Format: f, Width: c.Width, Height: c.Height, Orientation: 1}
	if err := h.checkSides(); err != nil {
		return h, err
	}
	x, err := f.walk(data)
	if err != nil {
		return h, err
	}
	h.Orientation = orientation(x.exif)
	return h, h.check(x)
}

func (h Header) checkSides() error {
	switch {
	case h.Width < 1 || h.Height < 1:
		return reject(Corrupt, "it is %d by %d pixels", h.Width, h.Height)
	case h.Width > MaxSide || h.Height > MaxSide:
		return reject(TooManyPixels, "it is %d by %d pixels; a side has %d at the most", h.Width, h.Height, MaxSide)
	case int64(h.Width)*int64(h.Height) > MaxPixels:
		return reject(TooManyPixels, "it is %d by %d pixels; %d million fit", h.Width, h.Height, MaxPixels/1_000_000)
	}
	return nil
}

func (h Header) check(x facts) error {
	switch {
	case x.animated:
		return reject(UnsupportedType, "animated WebP is not read; send a still picture")
	case x.frames > maxFrames:
		return reject(TooManyPixels, "it has more than %d frames", maxFrames)
	case x.scans > maxScans:
		return reject(TooManyPixels, "it is coded in more than %d passes", maxScans)
	case int64(h.Width)*int64(h.Height)*x.bitsPerPixel/8 > maxMemory:
		return reject(TooManyPixels, "it is %d by %d pixels of a kind of which fewer fit; save it without layers of precision (8 bits, not progressive)",
			h.Width, h.Height)
	}
	return nil
}

// walk goes over the pieces of a file, without decoding them, at least as far as the decoder does.
func (f Format) walk(data []byte) (facts, error) {
	switch f {
	case JPEG:
		return walkJPEG(data)
	case PNG:
		return walkPNG(data)
	case WebP:
		return walkWebP(data)
	}
	return walkGIF(data)
}

// undecodable makes a verdict of a decoder's error. Its text stays here: it speaks of the decoder's insides.
func undecodable(err error) error {
	var j jpeg.UnsupportedError
	var p png.UnsupportedError
	if errors.As(err, &j) || errors.As(err, &p) {
		return reject(UnsupportedType, "it is a kind of JPEG or PNG that is not read; save it anew in its usual form")
	}
	return reject(Corrupt, "it is damaged or cut short")
}

func tooManyPieces() error { return reject(TooManyPixels, "it has more than %d pieces", maxChunks) }
