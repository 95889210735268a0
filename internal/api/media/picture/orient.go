package picture

import "image"

// upright turns and mirrors src as its EXIF orientation asks.
func upright(src *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if orientation >= 5 { // turned by a quarter
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	for y := range dh {
		for x := range dw {
			sx, sy := source(orientation, x, y, w, h)
			copy(dst.Pix[dst.PixOffset(x, y):][:4], src.Pix[src.PixOffset(sx, sy):][:4])
		}
	}
	return dst
}

// source returns which pixel of a w by h picture stands at x, y of the upright one.
func source(orientation, x, y, w, h int) (int, int) {
	switch orientation {
	case 2: // mirrored
		return w - 1 - x, y
	case 3: // upside down
		return w - 1 - x, h - 1 - y
	case 4: // mirrored and upside down
		return x, h - 1 - y
	case 5: // mirrored, then its top is left
		return y, x
	case 6: // its top is right
		return y, h - 1 - x
	case 7: // mirrored, then its top is right
		return w - 1 - y, h - 1 - x
	case 8: // its top is left
		return w - 1 - y, x
	}
	return x, y
}
