package picture_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"testing"

	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/picture"
)

func sizes() []int { return []int{1600, 800, 200} }

// Every sample of the corpus gets its verdict, and what becomes a picture carries nothing of the input but pixels.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, s := range mediatest.Corpus() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r, err := picture.Process(s.Data, picture.Options{Declared: s.Type, Sides: sizes()})
			var no *picture.Rejection
			switch {
			case s.Want == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case s.Want != "" && (!errors.As(err, &no) || string(no.Code) != s.Want):
				t.Fatalf("got %v, want %s", err, s.Want)
			case s.Want == "" && len(r.Sizes) == 0:
				t.Fatal("nothing was made")
			}
			for _, size := range r.Sizes {
				for _, trace := range []string{mediatest.Latitude, "script", "Exif", "PK\x03\x04"} {
					if bytes.Contains(size.WebP, []byte(trace)) {
						t.Errorf("%d pixels wide: it holds %q", size.Width, trace)
					}
				}
			}
		})
	}
}

// A picture that was stored turned or mirrored is shown upright, in every size.
func TestOrientations(t *testing.T) {
	t.Parallel()
	for o := 1; o <= 8; o++ {
		r, err := picture.Process(mediatest.Turned(o, 320, 200), picture.Options{Sides: sizes()})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []image.Point{{320, 200}, {200, 125}} {
			s := r.Sizes[i]
			if s.Width != want.X || s.Height != want.Y {
				t.Errorf("orientation %d: %d by %d, want %v", o, s.Width, s.Height, want)
			}
			if !mediatest.Upright(decode(t, s)) {
				t.Errorf("orientation %d, %d pixels wide, is not upright", o, s.Width)
			}
		}
	}
}

func decode(t *testing.T, s picture.Size) image.Image {
	t.Helper()
	m, err := mediatest.Decode(s.WebP)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Three sizes, never larger than the picture, and none that saves next to nothing.
func TestSizes(t *testing.T) {
	t.Parallel()
	for in, want := range map[image.Point][]image.Point{
		{3000, 2000}: {{1600, 1067}, {800, 533}, {200, 133}},
		{2000, 3000}: {{1067, 1600}, {533, 800}, {133, 200}},
		{1600, 1600}: {{1600, 1600}, {800, 800}, {200, 200}},
		{801, 500}:   {{801, 500}, {200, 125}},
		{210, 210}:   {{210, 210}},
		{1, 1}:       {{1, 1}},
		{9000, 2}:    {{1600, 1}, {800, 1}, {200, 1}},
	} {
		r, err := picture.Process(mediatest.PNG(image.NewGray(image.Rectangle{Max: in})), picture.Options{Sides: sizes()})
		if err != nil {
			t.Fatal(in, err)
		}
		var got []image.Point
		for _, s := range r.Sizes {
			got = append(got, image.Pt(s.Width, s.Height))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v became %v, want %v", in, got, want)
		}
	}
}

// Every kind of pixels that the decoders return becomes small and keeps its colours and its transparency.
func TestKindsOfPixels(t *testing.T) {
	t.Parallel()
	rect := image.Rect(0, 0, 3600, 40) // large enough for all three steps
	half := color.NRGBA{R: 200, G: 100, B: 50, A: 128}
	full := color.NRGBA{R: 200, G: 100, B: 50, A: 255}
	type canvas interface {
		image.Image
		Set(x, y int, c color.Color)
	}
	for name, c := range map[string]struct {
		canvas canvas
		colour color.NRGBA
	}{
		"NRGBA": {image.NewNRGBA(rect), half}, "NRGBA64": {image.NewNRGBA64(rect), half}, "RGBA64": {image.NewRGBA64(rect), full},
		"Gray": {image.NewGray(rect), color.NRGBA{90, 90, 90, 255}}, "Gray16": {image.NewGray16(rect), color.NRGBA{90, 90, 90, 255}},
		"Paletted": {image.NewPaletted(rect, color.Palette{half, full}), half},
	} {
		for y := range rect.Dy() {
			for x := range rect.Dx() {
				c.canvas.Set(x, y, c.colour)
			}
		}
		for kind, data := range map[string][]byte{"PNG": mediatest.PNG(c.canvas), "WebP": mediatest.WebP(c.canvas)} {
			checkColour(t, name+" as "+kind, data, c.colour)
		}
	}
	flat := image.NewYCbCr(rect, image.YCbCrSubsampleRatio420)
	for i := range flat.Y {
		flat.Y[i] = 90
	}
	for i := range flat.Cb {
		flat.Cb[i], flat.Cr[i] = 128, 128
	}
	checkColour(t, "JPEG", mediatest.JPEG(flat), color.NRGBA{90, 90, 90, 255})
}

func checkColour(t *testing.T, name string, data []byte, want color.NRGBA) {
	t.Helper()
	r, err := picture.Process(data, picture.Options{Sides: sizes()})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, s := range r.Sizes {
		m := decode(t, s)
		if got := color.NRGBAModel.Convert(m.At(s.Width/2, s.Height/2)).(color.NRGBA); !near(got, want) {
			t.Errorf("%s, %d wide: %v, want %v", name, s.Width, got, want)
		}
	}
}

func near(a, b color.NRGBA) bool {
	for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B), int(a.A) - int(b.A)} {
		if d < -5 || d > 5 {
			return false
		}
	}
	return true
}

// Whatever the bytes are, looking at them ends, with a header that fits or with a verdict.
func FuzzInspect(f *testing.F) {
	for _, s := range mediatest.Corpus() {
		if len(s.Data) < 64<<10 {
			f.Add(s.Data, s.Type)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, declared string) {
		h, err := picture.Inspect(data, declared)
		var no *picture.Rejection
		if err != nil && !errors.As(err, &no) {
			t.Fatalf("neither a header nor a verdict: %v", err)
		}
		if err == nil && (h.Width < 1 || h.Height < 1 || h.Width > picture.MaxSide || h.Height > picture.MaxSide ||
			h.Width*h.Height > picture.MaxPixels || h.Orientation < 1 || h.Orientation > 8) {
			t.Fatalf("let through: %+v", h)
		}
	})
}

// What is let through and decodes becomes pictures; nothing else than a verdict comes of the rest.
func FuzzProcess(f *testing.F) {
	for _, s := range mediatest.Corpus() {
		if len(s.Data) < 16<<10 {
			f.Add(s.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := picture.Inspect(data, ""); err != nil || h.Width*h.Height > 1<<16 {
			return // large ones are slow, and the same
		}
		r, err := picture.Process(data, picture.Options{Sides: []int{64, 16}})
		var no *picture.Rejection
		if err != nil && !errors.As(err, &no) {
			t.Fatalf("neither a picture nor a verdict: %v", err)
		}
		if err == nil && len(r.Sizes) == 0 {
			t.Fatal("nothing was made")
		}
	})
}
