package picture

import (
	"image"
	"math"

	"golang.org/x/image/draw"
)

// target returns the size of w by h with its longer side at most side. It never grows.
func target(w, h, side int) (int, int) {
	long := max(w, h)
	if long <= side {
		return w, h
	}
	scale := func(n int) int { return max(1, int(math.Round(float64(n)*float64(side)/float64(long)))) }
	return scale(w), scale(h)
}

// The way to a small picture is three steps, because CatmullRom alone on 12 megapixels takes 700 ms and 160 MB (measured): whole pixels
// are averaged while there are four or more for one (exact, and no aliasing), ApproxBiLinear brings the rest to twice the
// target, CatmullRom ends it. The first two are reduce, so that the picture can be let go before the third.

// reduce returns src at most side pixels wide and high, or a little more: src itself when it is not larger.
func reduce(src image.Image, side int) image.Image {
	whole := src.Bounds().Size()
	if n := max(whole.X, whole.Y) / side; n >= 2 {
		if s, ok := src.(image.RGBA64Image); ok {
			src = average(s, n)
		}
	}
	if w, h := target(whole.X, whole.Y, side); src.Bounds().Dx() > w || src.Bounds().Dy() > h {
		return scaled(src, w, h, draw.ApproxBiLinear)
	}
	return src
}

func scaled(src image.Image, w, h int, with draw.Scaler) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if src.Bounds().Dx() == w && src.Bounds().Dy() == h {
		draw.Draw(dst, dst.Bounds(), src, src.Bounds().Min, draw.Src)
		return dst
	}
	with.Scale(dst, dst.Bounds(), src, src.Bounds(), draw.Src, nil)
	return dst
}

// average makes one pixel of n by n. What is left over at the right and at the bottom, less than n pixels, is dropped, but
// never a whole side.
func average(src image.RGBA64Image, n int) *image.RGBA {
	b := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, max(1, b.Dx()/n), max(1, b.Dy()/n)))
	for y := range dst.Rect.Dy() {
		for x := range dst.Rect.Dx() {
			block := image.Rect(x*n, y*n, (x+1)*n, (y+1)*n).Add(b.Min).Intersect(b)
			var red, green, blue, alpha, count uint64
			for py := block.Min.Y; py < block.Max.Y; py++ {
				for px := block.Min.X; px < block.Max.X; px++ {
					c := src.RGBA64At(px, py)
					red += uint64(c.R)
					green += uint64(c.G)
					blue += uint64(c.B)
					alpha += uint64(c.A)
				}
			}
			count = uint64(block.Dx()*block.Dy()) * 257 // 16 bits become 8
			p := dst.Pix[dst.PixOffset(x, y):]
			p[0], p[1], p[2], p[3] = byte(red/count), byte(green/count), byte(blue/count), byte(alpha/count)
		}
	}
	return dst
}
