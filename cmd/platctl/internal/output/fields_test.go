package output_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/output"
)

type inner struct {
	Name string `json:"name"`
	Next *inner `json:"next,omitempty"`
}

type Embedded struct {
	ID int64 `json:"id"`
}

type sample struct {
	Embedded
	Files  []string         `json:"files"`
	Inner  *inner           `json:"inner,omitzero"`
	Labels map[string]inner `json:"labels"`
	Raw    json.RawMessage  `json:"raw"`
	Addr   netip.Addr       `json:"addr"` // text by itself
	When   time.Time        `json:"when"`
	Bytes  []byte           `json:"bytes"`
	Any    any              `json:"any"`
	Plain  float64
	Hidden string `json:"-"`
	secret string
}

func TestFields(t *testing.T) {
	t.Parallel()
	want := []string{
		"Plain number", "addr string", "any any", "bytes base64", "files[] string", "id number",
		"inner?.name string", "inner?.next? recursive", "labels{}.name string", "labels{}.next? recursive",
		"raw any", "when time",
	}
	if got := output.Fields(sample{secret: "unused"}); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := output.Fields([]string{}); !slices.Equal(got, []string{"[] string"}) {
		t.Errorf("a list of strings is %q", got)
	}
	if got := output.Fields(struct{}{}); len(got) != 0 {
		t.Errorf("an empty struct has fields %q", got)
	}
}

// Every command pays for this walk when platctl starts, so it has to stay in microseconds.
func BenchmarkFields(b *testing.B) {
	for b.Loop() {
		output.Fields(sample{})
	}
}
