package mediatest

import (
	"encoding/binary"
	"image"
	"image/color"
)

// EXIF returns TIFF data with an orientation and a place.
func EXIF(orientation int) []byte {
	le := binary.LittleEndian
	entry := func(b []byte, tag, kind uint16, count, value uint32) []byte {
		b = le.AppendUint16(le.AppendUint16(b, tag), kind)
		return le.AppendUint32(le.AppendUint32(b, count), value)
	}
	const gps, text = 38, 56
	b := append([]byte("II*\x00"), 8, 0, 0, 0)
	b = le.AppendUint16(b, 2)
	b = entry(b, 0x0112, 3, 1, uint32(orientation))
	b = entry(b, 0x8825, 4, 1, gps)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint16(b, 1)
	b = entry(b, 0x001b, 7, uint32(len(Latitude)), text)
	b = le.AppendUint32(b, 0)
	return append(b, Latitude...)
}

// WithEXIF puts TIFF data behind the start of a JPEG.
func WithEXIF(jpg, tiff []byte) []byte {
	body := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, byte((len(body)+2)>>8), byte(len(body)+2))
	return append(append(out, body...), jpg[2:]...)
}

// Turned returns a JPEG of w by h pixels that is stored as its orientation says: whoever turns it upright sees red at the top left,
// green at the top right, blue at the bottom left and white at the bottom right.
func Turned(orientation, w, h int) []byte {
	sw, sh := w, h
	if orientation >= 5 {
		sw, sh = h, w
	}
	m := image.NewNRGBA(image.Rect(0, 0, sw, sh))
	for row := range sh {
		for col := range sw {
			x, y := seen(orientation, row, col, w, h)
			m.SetNRGBA(col, row, quadrant(x, y, w, h))
		}
	}
	return WithEXIF(JPEG(m), EXIF(orientation))
}

// seen returns where the stored pixel is seen, after the table of the EXIF standard: it says at which side of the picture the
// first row and the first column are.
func seen(orientation, row, col, w, h int) (x, y int) {
	switch orientation {
	case 2: // top, right
		return w - 1 - col, row
	case 3: // bottom, right
		return w - 1 - col, h - 1 - row
	case 4: // bottom, left
		return col, h - 1 - row
	case 5: // left, top
		return row, col
	case 6: // right, top
		return w - 1 - row, col
	case 7: // right, bottom
		return w - 1 - row, h - 1 - col
	case 8: // left, bottom
		return row, h - 1 - col
	}
	return col, row // top, left
}

func quadrant(x, y, w, h int) color.NRGBA {
	right, bottom := 2*x >= w, 2*y >= h
	switch {
	case right && bottom:
		return color.NRGBA{255, 255, 255, 255}
	case right:
		return color.NRGBA{0, 255, 0, 255}
	case bottom:
		return color.NRGBA{0, 0, 255, 255}
	}
	return color.NRGBA{255, 0, 0, 255}
}

// Upright says whether m shows what Turned stores.
func Upright(m image.Image) bool {
	b := m.Bounds()
	for _, at := range []image.Point{{1, 1}, {3, 1}, {1, 3}, {3, 3}} {
		x, y := b.Dx()*at.X/4, b.Dy()*at.Y/4
		want := quadrant(x, y, b.Dx(), b.Dy())
		got := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
		for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
			if d < -40 || d > 40 {
				return false
			}
		}
	}
	return true
}
