package child

import (
	"bytes"
	"image"
	"testing"

	"github.com/platctl/platctl/internal/api/media/mediatest"
)

// The most expensive pictures of each kind that are let through: time and resident memory of their children.
func BenchmarkHeaviest(b *testing.B) {
	const w, h = 6600, 5000
	photo := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for i := range photo.Y {
		photo.Y[i] = byte(i * 7 >> 3)
	}
	for _, k := range []struct {
		name string
		make func() []byte
	}{
		{"photo-12MP", func() []byte { return mediatest.JPEG(mediatest.Photo(4000, 3000)) }},
		{"jpeg-33MP", func() []byte { return mediatest.JPEG(photo) }},
		{"jpeg-33MP-64-passes", func() []byte { return mediatest.Scans(w, h, 64) }},
		{"png-33MP", func() []byte { return mediatest.Blank(w, h) }},
		{"png-33MP-16-bit", func() []byte { return mediatest.Blank16(w, h) }},
		{"webp-33MP", func() []byte { return mediatest.WebP(photo) }},
		{"gif-33MP", func() []byte { return mediatest.GIF(image.NewPaletted(photo.Rect, mediatest.Grays())) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			r := runner(b, nil)
			in := upload(b, bytes.Clone(k.make()))
			var peak int64
			b.ResetTimer()
			for b.Loop() {
				out, err := r.Convert(b.Context(), in, "", sides())
				if err != nil {
					b.Fatal(err)
				}
				peak = max(peak, out.PeakRSS)
				out.Close()
			}
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		})
	}
}
