package picture

import (
	"testing"

	"github.com/platctl/platctl/internal/api/media/mediatest"
)

// Data that is odd anywhere is upright.
func TestOrientationOfOddData(t *testing.T) {
	t.Parallel()
	good := mediatest.EXIF(6)
	if got := orientation(good); got != 6 {
		t.Fatalf("orientation %d, want 6", got)
	}
	for n := range 21 { // the directory's first entry ends at 22
		if got := orientation(good[:n]); got != 1 {
			t.Errorf("cut to %d bytes: %d", n, got)
		}
	}
	for name, change := range map[string]func([]byte){
		"no byte order":              func(b []byte) { b[0] = 'X' },
		"directory beyond the end":   func(b []byte) { b[7] = 0xff },
		"directory in the header":    func(b []byte) { b[4] = 4 },
		"no entries":                 func(b []byte) { b[8] = 0 },
		"a text for a number":        func(b []byte) { b[12] = 2 },
		"two values":                 func(b []byte) { b[14] = 2 },
		"a ninth orientation":        func(b []byte) { b[18] = 9 },
		"an orientation that is not": func(b []byte) { b[18] = 0 },
	} {
		b := mediatest.EXIF(6)
		if change(b); orientation(b) != 1 {
			t.Errorf("%s: %d", name, orientation(b))
		}
	}
	big := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00")
	if got := orientation(big); got != 8 {
		t.Errorf("big-endian: %d, want 8", got)
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(mediatest.EXIF(3))
	f.Fuzz(func(t *testing.T, tiff []byte) {
		if o := orientation(tiff); o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}
