package picture

import (
	"image"
	"image/color"
)

// studio reads the pixels of a lossy WebP. They are YCbCr of the studio range (luma from 16 to 235), as in television; the
// standard library takes YCbCr for that of JPEG, and shows such a picture faded: (200, 100, 50) as (192, 101, 57).
type studio struct {
	*image.YCbCr
	alpha *image.NYCbCrA // nil: opaque
}

// studioRange wraps what x/image/webp returns for a lossy picture; a lossless one has true colours.
func studioRange(m image.Image) image.Image {
	switch m := m.(type) {
	case *image.YCbCr:
		return studio{YCbCr: m}
	case *image.NYCbCrA:
		return studio{YCbCr: &m.YCbCr, alpha: m}
	}
	return m
}

// ColorModel implements image.Image.
func (s studio) ColorModel() color.Model { return color.NRGBAModel }

// Opaque says whether no pixel is transparent.
func (s studio) Opaque() bool { return s.alpha == nil }

// At implements image.Image.
func (s studio) At(x, y int) color.Color { return s.nrgba(x, y) }

// RGBA64At implements image.RGBA64Image.
func (s studio) RGBA64At(x, y int) color.RGBA64 {
	r, g, b, a := s.nrgba(x, y).RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// nrgba converts by BT.601 in fixed point, 16 bits behind the point.
func (s studio) nrgba(x, y int) color.NRGBA {
	c := s.YCbCrAt(x, y)
	luma := 76309*(int32(c.Y)-16) + 1<<15
	cb, cr := int32(c.Cb)-128, int32(c.Cr)-128
	out := color.NRGBA{
		R: clamp(luma + 104597*cr),
		G: clamp(luma - 25675*cb - 53279*cr),
		B: clamp(luma + 132201*cb),
		A: 255,
	}
	if s.alpha != nil {
		out.A = s.alpha.A[s.alpha.AOffset(x, y)]
	}
	return out
}

func clamp(v int32) byte { return byte(min(max(v>>16, 0), 255)) }
