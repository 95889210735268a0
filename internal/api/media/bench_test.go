package media_test

import (
	"fmt"
	"image"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// The memory of a server, a process of its own, before and after the whole corpus and 64 uploads of 9 MB, eight at once.
func BenchmarkServer(b *testing.B) {
	for b.Loop() {
		f := fate{Database: pgtest.New(b, apitest.Template(b)), Dir: b.TempDir()}
		url, p := startMortal(b, f)
		c := clientOf(b, url, signUpFor(b, url, "ana"))
		ready(b, c, upload(b, c, client.MediaPurposePost, "image/jpeg", jpeg(600, 400)))
		before := memory(b, p.Process.Pid, "VmRSS")
		var last client.MediaId
		for _, s := range mediatest.Corpus() {
			id := announce(b, c, client.MediaPurposePost, s.Type, len(s.Data))
			if _, err := send(b.Context(), c, id, s.Data); err == nil {
				last = id
			}
		}
		settled(b, c, last)
		flood(b, url)
		b.ReportMetric(before/1e6, "before-MB")
		b.ReportMetric(memory(b, p.Process.Pid, "VmHWM")/1e6, "peak-MB")
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

// flood sends large pictures of 1 pixel, so that sending is all that costs; each is another one.
func flood(b *testing.B, url string) {
	b.Helper()
	pixel := mediatest.PNG(image.NewGray(image.Rect(0, 0, 1, 1)))
	var wg sync.WaitGroup
	for i := range 8 {
		c := clientOf(b, url, signUpFor(b, url, fmt.Sprintf("sender_%d", i)))
		wg.Go(func() {
			for n := range 8 {
				padding := strings.Repeat(strconv.Itoa(n)+" ", 4_500_000)
				data := mediatest.PNGChunk(pixel, "teXt", []byte(padding))
				id := announce(b, c, client.MediaPurposePost, "image/png", len(data))
				if _, err := send(b.Context(), c, id, data); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// memory returns a line of a process's status in bytes.
func memory(b *testing.B, pid int, line string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), line+":")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb * 1024
}
