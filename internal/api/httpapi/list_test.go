package httpapi

import (
	"bytes"
	"errors"
	"testing"

	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

// A cursor is one that we gave out, in the one spelling that we gave it, or an error that names the parameter; no other kind
// of id passes for one, and no cursor for an id.
func FuzzCursor(f *testing.F) {
	ids, err := publicid.New(bytes.Repeat([]byte{9}, 16))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "cur_", "cur_11111111111", "cur_zzzzzzzzzzz", "cur_11111111111 ", "\x00", "cur_ü1111111111"} {
		f.Add(s)
	}
	for _, n := range []int64{1, 7, 1 << 40, 1<<63 - 1} {
		f.Add(ids.Encode(publicid.Cursor, n))
		f.Add(ids.Encode(publicid.Post, n))
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := slice(ids, oas.NewOptString(s), oas.OptInt32{}, 42)
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind != fault.Invalid || len(e.Fields) != 1 || e.Fields[0].Field != "query.cursor" {
				t.Errorf("%q is refused with %v", s, err)
			}
			return
		}
		if at.Cursor < 1 || ids.Encode(publicid.Cursor, at.Cursor) != s {
			t.Errorf("%q is read as %d, which is spelled %q", s, at.Cursor, ids.Encode(publicid.Cursor, at.Cursor))
		}
		if n := known(ids, publicid.Post, s); n != 0 {
			t.Errorf("the cursor %q passes for the post %d", s, n)
		}
	})
}

// Without a cursor a list begins where its operation says, and a limit that is not given is 20.
func TestSliceDefaults(t *testing.T) {
	t.Parallel()
	ids, err := publicid.New(bytes.Repeat([]byte{9}, 16))
	if err != nil {
		t.Fatal(err)
	}
	at, err := slice(ids, oas.OptString{}, oas.OptInt32{}, 42)
	if err != nil || at.Cursor != 42 || at.Limit != 20 {
		t.Errorf("%+v, %v", at, err)
	}
}
