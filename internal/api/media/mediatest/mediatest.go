// Package mediatest makes the uploads that a picture pipeline has to survive: photographs that say where they were taken, in
// every orientation, and files made to hurt. Only tests import it.
//
// Invariant: everything is made by code, and the same on every run, so no opaque file lies in the repository.
package mediatest

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"

	"github.com/deepteams/webp"
)

// Latitude is a text that the GPS data of every tagged picture holds: what must never be found in an output.
const Latitude = "N48.858370-GPS"

// Sample is one upload.
type Sample struct {
	Name string
	Type string // announced as
	Data []byte
	Want string // the failure code; empty: it becomes a picture
}

// Corpus returns every sample that is cheap to make and to work on.
func Corpus() []Sample {
	photo := Photo(640, 480)
	jpg, pngs, gifs, webps := JPEG(photo), PNG(photo), GIF(photo), WebP(photo)
	ok := []Sample{
		{"a JPEG", "image/jpeg", jpg, ""}, {"a PNG", "image/png", pngs, ""}, {"a GIF", "image/gif", gifs, ""}, {"a WebP", "image/webp", webps, ""},
		{"a PNG with transparency", "image/png", PNG(Faded(300, 200)), ""},
		{"a JPEG with GPS", "image/jpeg", WithEXIF(jpg, EXIF(6)), ""},
		{"a PNG with GPS", "image/png", PNGChunk(pngs, "eXIf", EXIF(3)), ""},
		{"a WebP with GPS", "image/webp", WebPWithEXIF(photo, EXIF(8)), ""},
		{"one pixel", "image/png", PNG(Photo(1, 1)), ""},
		{"a thread of pixels", "image/png", PNG(Photo(6000, 1)), ""},
		{"an animation", "image/gif", Animation(20), ""},
		{"a progressive JPEG", "image/jpeg", Scans(640, 480, 10), ""},
		{"a GIF that is a script", "image/gif", append(bytes.Clone(gifs), "/*<script>alert(1)</script>*/"...), ""},
		{"a JPEG that is an archive", "image/jpeg", append(bytes.Clone(jpg), "PK\x03\x04 payload.html <script>alert(1)</script>"...), ""},
		{"a PNG with a page in its text", "image/png", PNGChunk(pngs, "tEXt", []byte("Comment\x00<script>alert(1)</script>")), ""},
	}
	return append(ok, bad(jpg, pngs, gifs, webps)...)
}

func bad(jpg, pngs, gifs, webps []byte) []Sample {
	const unsupported, mismatch, pixels, corrupt = "unsupported_type", "type_mismatch", "too_many_pixels", "corrupt"
	return []Sample{
		{"half a JPEG", "image/jpeg", jpg[:len(jpg)/2], corrupt}, {"half a PNG", "image/png", pngs[:len(pngs)/2], corrupt},
		{"half a GIF", "image/gif", gifs[:len(gifs)/2], corrupt}, {"half a WebP", "image/webp", webps[:len(webps)/2], corrupt},
		{"a JPEG header alone", "image/jpeg", jpg[:20], corrupt},
		{"a PNG of no pixels", "image/png", PNGHeader(0, 0), corrupt},
		{"a JPEG called a PNG", "image/png", jpg, mismatch}, {"a GIF called a WebP", "image/webp", gifs, mismatch},
		{"a drawing", "image/png", []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), unsupported},
		{"a page", "image/jpeg", []byte("<!DOCTYPE html><script>alert(1)</script>"), unsupported},
		{"a HEIC", "image/jpeg", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic and more bytes"), unsupported},
		{"an animated WebP", "image/webp", AnimatedWebP(webps), unsupported},
		{"65,535 x 65,535 in a header", "image/png", PNGHeader(65535, 65535), pixels},
		{"65,500 x 65,500 in a JPEG header", "image/jpeg", JPEGHeader(65500, 65500), pixels},
		{"a strip of 12,001", "image/png", PNGHeader(12001, 1), pixels},
		{"34 megapixels", "image/png", PNGHeader(6800, 5000), pixels},
		{"a bomb by compression", "image/png", Blank(6000, 5600), pixels},
		{"a bomb by depth", "image/png", Deep(5700, 5700), pixels},
		{"a bomb by frames", "image/gif", Animation(1200), pixels},
		{"a bomb by passes", "image/jpeg", Scans(2000, 2000, 500), pixels},
		{"a bomb by pieces", "image/png", Pieces(pngs, 100_002), pixels},
	}
}

// Photo returns a picture with gradients and grain, as photographs have.
func Photo(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	noise := uint32(1)
	for y := range h {
		for x := range w {
			wave := func(a, b float64) byte {
				noise = noise*1664525 + 1013904223
				return byte(118 + 90*math.Sin(float64(x)/a)*math.Cos(float64(y)/b) + float64(noise>>28))
			}
			m.SetNRGBA(x, y, color.NRGBA{R: wave(90, 70), G: wave(40, 130), B: wave(200, 33), A: 255})
		}
	}
	return m
}

// Faded returns a picture that becomes transparent from left to right.
func Faded(w, h int) *image.NRGBA {
	m := Photo(w, h)
	for y := range h {
		for x := range w {
			m.Pix[m.PixOffset(x, y)+3] = byte(x * 255 / w)
		}
	}
	return m
}

// must keeps the makers short: what they write goes to memory and can't fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// JPEG encodes m.
func JPEG(m image.Image) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}))
	return b.Bytes()
}

// PNG encodes m.
func PNG(m image.Image) []byte {
	var b bytes.Buffer
	must((&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m))
	return b.Bytes()
}

// GIF encodes m.
func GIF(m image.Image) []byte {
	var b bytes.Buffer
	must(gif.Encode(&b, m, &gif.Options{NumColors: 64}))
	return b.Bytes()
}

// WebP encodes m.
func WebP(m image.Image) []byte { return WebPWithEXIF(m, nil) }

// WebPWithEXIF encodes m with metadata.
func WebPWithEXIF(m image.Image, tiff []byte) []byte {
	var b bytes.Buffer
	o := webp.DefaultOptions()
	o.EXIF, o.Method = tiff, 0
	must(webp.Encode(&b, m, o))
	return b.Bytes()
}

// Animation returns a GIF of so many frames of one pixel.
func Animation(frames int) []byte {
	g := &gif.GIF{}
	for i := range frames {
		p := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.White, color.Black})
		p.Pix[0] = byte(i & 1)
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 10)
	}
	var b bytes.Buffer
	must(gif.EncodeAll(&b, g))
	return b.Bytes()
}

// Decode reads a WebP as browsers do: its YCbCr is of the studio range, which Go's decoders don't tell.
func Decode(data []byte) (image.Image, error) {
	m, err := webp.Decode(bytes.NewReader(data))
	y, ok := m.(*image.YCbCr)
	if err != nil || !ok {
		return m, err
	}
	out := image.NewNRGBA(y.Rect)
	for i := range out.Rect.Dx() * out.Rect.Dy() {
		px, py := i%out.Rect.Dx(), i/out.Rect.Dx()
		c := y.YCbCrAt(px, py)
		luma, cb, cr := 255./219*(float64(c.Y)-16), float64(c.Cb)-128, float64(c.Cr)-128
		to8 := func(v float64) byte { return byte(math.Round(min(max(v, 0), 255))) }
		out.SetNRGBA(px, py, color.NRGBA{R: to8(luma + 1.596*cr), G: to8(luma - .392*cb - .813*cr), B: to8(luma + 2.017*cb), A: 255})
	}
	return out, nil
}

// Grays returns a palette of 256.
func Grays() color.Palette {
	p := make(color.Palette, 256)
	for i := range p {
		p[i] = color.Gray{Y: byte(i)}
	}
	return p
}
