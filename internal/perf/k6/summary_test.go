package k6_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/perf/k6"
)

// golden is written by the extension's own test.
func golden(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "xk6-ext", "testdata", "k6summary-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseSummaryReadsWhatTheExtensionWrites(t *testing.T) {
	s, err := k6.ParseSummary(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	e := s.Endpoints["GET /api/v1/feed"]
	if !s.Complete || e.OK.N != 2000 || e.Failed.N != 50 || e.ByStatus["500"] != 50 || e.ByError["1500"] != 50 {
		t.Errorf("read %+v", e)
	}
	if g := s.Generator; g.Iterations != 2000 || g.CPUs != 2 || g.CPUPercent != 7.5 || g.PeakPercent != 9.1 || g.MaxRSS != 61_000_000 {
		t.Errorf("generator %+v", g)
	}
	if s.Bytes != (k6.Bytes{Sent: 210_000, Received: 9_000_000}) || s.Stopped.Sub(s.Started).Seconds() < 19 {
		t.Errorf("bytes %+v from %s to %s", s.Bytes, s.Started, s.Stopped)
	}
	h, err := k6.DecodeHistogram(e.OK.HDR)
	if err != nil || h.Min() < 999 || h.Max() > 1701 {
		t.Errorf("%v, from %d to %d", err, h.Min(), h.Max())
	}
}

func TestParseSummaryAcceptsNeighbourVersionsOnly(t *testing.T) {
	for version, ok := range map[string]bool{"v0": true, "v1": true, "v2": true, "v3": false, "x": false} {
		doc := strings.Replace(string(golden(t)), "platctl.k6summary/v1", "platctl.k6summary/"+version, 1)
		doc = strings.Replace(doc, `"complete"`, `"unknown_field":{"a":[1]},"complete"`, 1)
		if _, err := k6.ParseSummary([]byte(doc)); (err == nil) != ok {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestParseSummaryRefusesWhatDoesNotAddUp(t *testing.T) {
	for old, now := range map[string]string{
		`"n": 2000`:               `"n": 1999`,
		`"500": 50`:               `"500": 51`,
		`"200": 2000`:             `"200": -1`,
		`"dropped_iterations": 0`: `"dropped_iterations": -1`,
		`"started": "2026`:        `"started": "2027`,
		`"hdr": "HISTFAAAA`:       `"hdr": "HISTFAAAB`,
		`"sent": 210000`:          `"sent": -5`,
		`"complete": true`:        `"complete": "yes"`,
		`"lag_hdr": "HISTFAAAA`:   `"lag_hdr": "x`,
		`"schema"`:                `"shema"`,
	} {
		doc := strings.Replace(string(golden(t)), old, now, 1)
		if doc == string(golden(t)) {
			t.Fatalf("the golden file has no %s", old)
		}
		if _, err := k6.ParseSummary([]byte(doc)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s -> %s: %v", old, now, err)
		}
	}
}

// TestDecodeHistogramRefusesHostileShapes: the header decides how much the library allocates.
func TestDecodeHistogramRefusesHostileShapes(t *testing.T) {
	huge := hdr.New(1, 3_600_000_000_000, 5)
	if err := huge.RecordValue(5); err != nil {
		t.Fatal(err)
	}
	b, err := huge.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), "!", "AAAA", base64.StdEncoding.EncodeToString(make([]byte, 48))} {
		if h, err := k6.DecodeHistogram(text); err == nil {
			t.Errorf("%.40q decoded to %d values", text, h.TotalCount())
		}
	}
	if h, err := k6.DecodeHistogram(""); err != nil || h.TotalCount() != 0 {
		t.Errorf("the empty histogram: %v", err)
	}
}

func FuzzParseSummary(f *testing.F) {
	f.Add(golden(f))
	f.Add([]byte(`{"schema":"platctl.k6summary/v1","endpoints":{"x":{"ok":{"n":1,"hdr":"HISTFA=="}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := k6.ParseSummary(doc)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		for name, e := range s.Endpoints {
			if e.OK.N < 0 || e.Failed.N < 0 {
				t.Errorf("%q: accepted %+v", name, e)
			}
		}
	})
}

// FuzzDecodeHistogram varies the counters behind a sound header: zlib's checksum would stop every other mutation.
func FuzzDecodeHistogram(f *testing.F) {
	f.Add([]byte{2, 0x03, 4})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2})                // skips to index 2^63
	f.Add([]byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff}) // counts that wrap around
	f.Fuzz(func(t *testing.T, counters []byte) {
		h, err := k6.DecodeHistogram(pack(t, counters))
		if err == nil && (h.TotalCount() < 0 || h.Max() < h.Min()) {
			t.Errorf("%d values from %d to %d", h.TotalCount(), h.Min(), h.Max())
		}
	})
}

// pack puts counters into the compressed V2 encoding with the header of our histograms.
func pack(t *testing.T, counters []byte) string {
	t.Helper()
	var plain, packed bytes.Buffer
	put := func(w *bytes.Buffer, v any) {
		if err := binary.Write(w, binary.BigEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []any{uint32(0x1c849313), uint32(len(counters)), uint32(0), uint32(3), uint64(1), uint64(60_000_000), 1.0, counters} {
		put(&plain, v)
	}
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	put(&out, uint32(0x1c849314))
	put(&out, uint32(packed.Len()))
	put(&out, packed.Bytes())
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestPackedHistogramsAreRead(t *testing.T) {
	h, err := k6.DecodeHistogram(pack(t, []byte{0x03, 4})) // two empty counters, then two values of 2 µs
	if err != nil || h.TotalCount() != 2 || h.Min() != 2 || h.Max() != 2 {
		t.Errorf("%v %v", h, err)
	}
}
