package httpapi

import (
	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// slice reads the parameters of a list. An absent cursor is start.
func slice(ids *publicid.Codec, cursor oas.OptString, limit oas.OptInt32, start int64) (timeline.Slice, error) {
	s := timeline.Slice{Cursor: start, Limit: limit.Or(20)}
	c, ok := cursor.Get()
	if !ok {
		return s, nil
	}
	at, err := ids.Decode(publicid.Cursor, c)
	if err != nil {
		return s, fault.New(fault.Invalid, "the cursor is not one of ours").WithCode("bad_cursor").
			WithFields(fault.Field{Field: "query.cursor", Code: "bad_cursor", Message: "use meta.nextCursor of the page before"})
	}
	s.Cursor = at
	return s, nil
}

// target reads the id of an operation's target and the slice of the list below it.
func target(ids *publicid.Codec, k publicid.Kind, id string, cursor oas.OptString, limit oas.OptInt32, start int64) (int64, timeline.Slice, error) {
	at, err := slice(ids, cursor, limit, start)
	if err != nil {
		return 0, at, err
	}
	return known(ids, k, id), at, nil
}

// known decodes an id. One that hides nothing of ours becomes 0, which no row has: it takes the same way through the
// database as the id of something hidden.
func known(ids *publicid.Codec, k publicid.Kind, id string) int64 {
	n, err := ids.Decode(k, id)
	if err != nil {
		return 0
	}
	return n
}

func streamMeta(ids *publicid.Codec, at timeline.Slice, next int64) oas.StreamMeta {
	m := oas.StreamMeta{Limit: at.Limit}
	m.NextCursor.SetToNull()
	if next != 0 {
		m.NextCursor.SetTo(ids.Encode(publicid.Cursor, next))
	}
	return m
}

func person(ids *publicid.Codec, p account.Person) oas.Person {
	return oas.Person{ID: oas.UserId(ids.Encode(publicid.User, p.ID)), Handle: oas.Handle(p.Handle), DisplayName: p.DisplayName}
}

func persons(ids *publicid.Codec, people []account.Person) []oas.Person {
	out := make([]oas.Person, len(people))
	for i, p := range people {
		out[i] = person(ids, p)
	}
	return out
}

func personList(ids *publicid.Codec, at timeline.Slice, page timeline.Page[account.Person]) *oas.PersonListResponse {
	return &oas.PersonListResponse{
		Success: oas.SuccessTrue, Data: persons(ids, page.Items), Meta: streamMeta(ids, at, page.Next),
	}
}
