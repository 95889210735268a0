package picture

import (
	"bytes"
	"encoding/binary"
)

// JPEG markers.
const (
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
	jpegAPP1 = 0xe1
	jpegAPPE = 0xee // Adobe
	jpegTEM  = 0x01
)

// walkJPEG follows the markers to the end of the picture. What does not look like one ends the walk: the decoder will say so.
func walkJPEG(data []byte) (facts, error) {
	x := facts{frames: 1}
	w := jpegWalk{adobe: -1}
	for i := 2; ; {
		i = nextMarker(data, i)
		if i < 0 {
			break
		}
		marker := data[i]
		i++
		if marker == jpegEOI {
			break
		}
		if marker == jpegSOI || marker == jpegTEM || marker >= 0xd0 && marker <= 0xd7 {
			continue
		}
		if i+2 > len(data) {
			break
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 || i+n > len(data) {
			break
		}
		w.segment(&x, marker, data[i+2:i+n])
		i += n
	}
	x.bitsPerPixel = w.bits()
	return x, nil
}

// nextMarker returns the place of the first marker byte at or behind i, or -1. An FF that is followed by 00 is data, one that is
// followed by FF is filling.
func nextMarker(data []byte, i int) int {
	for i < len(data) {
		at := bytes.IndexByte(data[i:], 0xff)
		if at < 0 {
			break
		}
		for i += at + 1; i < len(data) && data[i] == 0xff; i++ {
		}
		if i < len(data) && data[i] != 0 {
			return i
		}
	}
	return -1
}

// jpegWalk is what the segments say that decides how much memory decoding takes.
type jpegWalk struct {
	progressive bool
	components  int
	blocks      int64 // sum over the components of their samples in a unit
	unit        int64 // samples of the finest component in a unit
	rgb         bool
	adobe       int // -1: no such segment
}

func (w *jpegWalk) segment(x *facts, marker byte, p []byte) {
	switch marker {
	case 0xc0, 0xc1, 0xc2:
		if w.components == 0 { // the decoder refuses a second one
			w.progressive = marker == 0xc2
			w.frame(p)
		}
	case jpegSOS:
		x.scans++
	case jpegAPP1:
		if tiff, ok := bytes.CutPrefix(p, []byte("Exif\x00\x00")); ok && x.exif == nil {
			x.exif = tiff
		}
	case jpegAPPE:
		if len(p) >= 12 && string(p[:5]) == "Adobe" {
			w.adobe = int(p[11])
		}
	}
}

// frame reads a start of frame: precision, height, width, count, and for each component its id, sampling and table.
func (w *jpegWalk) frame(p []byte) {
	if len(p) < 6 || len(p) < 6+3*int(p[5]) {
		return
	}
	w.components = int(p[5])
	var hs, vs int64 = 1, 1
	ids := make([]byte, 0, 4)
	for c := range w.components {
		h, v := int64(p[6+3*c+1]>>4), int64(p[6+3*c+1]&15)
		hs, vs = max(hs, h), max(vs, v)
		w.blocks += max(h*v, 1)
		ids = append(ids, p[6+3*c])
	}
	w.unit = hs * vs
	if w.components == 1 {
		w.blocks, w.unit = 1, 1
	}
	w.rgb = string(ids) == "RGB"
}

// bits is what image/jpeg allocates for a pixel: its planes; for a progressive picture a coefficient of 32 bits for each
// sample; and for CMYK and RGB a second picture of four bytes.
func (w *jpegWalk) bits() int64 {
	if w.unit == 0 {
		return 8
	}
	planes := 8 * w.blocks
	if w.progressive {
		planes *= 5
	}
	bits := (planes + w.unit - 1) / w.unit
	if w.components == 4 || w.rgb || w.components == 3 && w.adobe == 0 {
		bits += 32
	}
	return bits
}
