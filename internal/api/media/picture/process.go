package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"runtime/debug"
	"slices"
	"time"

	"github.com/deepteams/webp"
	"golang.org/x/image/draw"
	decoder "golang.org/x/image/webp"
)

// Options says what to make of a picture.
type Options struct {
	Declared string // media type it was announced as
	Sides    []int  // the longer sides of what is made, largest first; those above the picture's own are left out but for one
}

// Size is one picture that was made.
type Size struct {
	Width  int
	Height int
	WebP   []byte
}

// Result is everything that was made, largest first, and what it took.
type Result struct {
	Header Header
	Sizes  []Size
	Decode time.Duration
	Scale  time.Duration
	Encode time.Duration
}

// Method and quality of the WebP encoder: at 1600 pixels method 2 takes half the time of method 4 for a tenth more bytes.
const (
	method  = 2
	quality = 80
)

// Process makes WebP pictures of data. What it returns as a *Rejection is a verdict about data; any other error is ours.
func Process(data []byte, o Options) (Result, error) {
	var r Result
	var err error
	if r.Header, err = Inspect(data, o.Declared); err != nil {
		return r, err
	}
	start := time.Now()
	img, err := r.Header.Format.decode(data)
	r.Decode = time.Since(start)
	if err != nil {
		return r, undecodable(err)
	}
	start = time.Now()
	whole := img.Bounds().Size()
	wanted := sides(o.Sides, max(whole.X, whole.Y))
	img = reduce(img, 2*wanted[0])
	debug.FreeOSMemory() // the decoded picture is garbage now, and what follows needs its room
	r.Scale = time.Since(start)
	for _, side := range wanted {
		start = time.Now()
		w, h := target(whole.X, whole.Y, side)
		small := scaled(img, w, h, draw.CatmullRom)
		img = small // the next size is made of this one
		r.Scale += time.Since(start)
		start = time.Now()
		size, err := Encode(upright(small, r.Header.Orientation))
		r.Encode += time.Since(start)
		if err != nil {
			return r, err
		}
		r.Sizes = append(r.Sizes, size)
	}
	return r, nil
}

// sides drops the sizes that a picture is too small for, and those that would save less than a quarter of the one before; its
// own size takes the place of the largest.
func sides(wanted []int, own int) []int {
	sorted := slices.Clone(wanted)
	slices.SortFunc(sorted, func(a, b int) int { return b - a })
	var out []int
	for _, side := range sorted {
		side = min(side, own)
		if len(out) == 0 || 4*side <= 3*out[len(out)-1] {
			out = append(out, side)
		}
	}
	return out
}

// Encode writes the WebP and reads it back with a decoder by other people: the encoder has written files that no browser could
// read (deepteams/webp#4, fixed in 1.2.3), and a picture that can't be shown must not be called ready.
func Encode(img *image.RGBA) (Size, error) {
	s := Size{Width: img.Rect.Dx(), Height: img.Rect.Dy()}
	o := webp.DefaultOptions()
	o.Method, o.Quality = method, quality
	var out bytes.Buffer
	if err := webp.Encode(&out, straight(img), o); err != nil {
		return s, err
	}
	back, err := decoder.Decode(bytes.NewReader(out.Bytes()))
	if err != nil {
		return s, err
	}
	if back.Bounds().Dx() != s.Width || back.Bounds().Dy() != s.Height {
		return s, errors.New("the encoded picture has another size")
	}
	s.WebP = out.Bytes()
	return s, nil
}

// straight returns img with its colours not multiplied by its transparency, as WebP stores them.
func straight(img *image.RGBA) image.Image {
	if img.Opaque() {
		return img
	}
	out := image.NewNRGBA(img.Rect)
	for i := 0; i < len(img.Pix); i += 4 {
		c := color.NRGBAModel.Convert(color.RGBA{img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3]}).(color.NRGBA)
		copy(out.Pix[i:], []byte{c.R, c.G, c.B, c.A})
	}
	return out
}
