package format_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

func TestAcceptOneVersionAround(t *testing.T) {
	t.Parallel()
	s := format.Schema{Name: "platctl.thing", Version: 3}
	for doc, ok := range map[string]bool{
		"platctl.thing/v1": false, "platctl.thing/v2": true, "platctl.thing/v3": true, "platctl.thing/v4": true,
		"platctl.thing/v5": false, "platctl.thing/v-3": false, "platctl.thing/v": false, "platctl.thing": false, "": false,
		"platctl.other/v3": false, "platctl.thing/v3x": false, "platctl.thing/v3/v3": false,
		"platctl.thing/v99999999999999999999": false,
	} {
		_, err := s.Accept(doc)
		if (err == nil) != ok {
			t.Errorf("Accept(%q) = %v, want accepted %t", doc, err, ok)
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("Accept(%q): kind %s, want invalid", doc, fault.KindOf(err))
		}
	}
}

func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	var v struct {
		Known string `json:"known"`
	}
	s := format.Schema{Name: "platctl.thing", Version: 1}
	if err := s.Decode([]byte(`{"schema":"platctl.thing/v2","known":"a","new":{"x":[1]}}`), &v); err != nil || v.Known != "a" {
		t.Errorf("got %q, %v", v.Known, err)
	}
	for _, doc := range []string{"", "null", "[]", `{"schema":1}`, `{"schema":"platctl.thing/v1","known":5}`, `{"schema":"platctl.thing/v1"} x`} {
		if err := s.Decode([]byte(doc), &v); !errors.Is(err, fault.Invalid) {
			t.Errorf("Decode(%s) = %v, want an invalid input", doc, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for i := range 4 {
		f.Add(fmt.Appendf(nil, `{"schema":"platctl.thing/v%d","known":"a","extra":null}`, i))
	}
	f.Add([]byte(`{"schema":"platctl.thing/v1","schema":"platctl.thing/v9"}`))
	f.Add([]byte("\xff{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v struct {
			Schema string `json:"schema"`
			Known  string `json:"known"`
		}
		s := format.Schema{Name: "platctl.thing", Version: 1}
		err := s.Decode(data, &v)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		if _, err := s.Accept(v.Schema); err != nil {
			t.Fatalf("decoded a document of schema %q: %v", v.Schema, err)
		}
	})
}
