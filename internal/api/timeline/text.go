package timeline

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/base/fault"
)

// text is what a field of free text accepts. Max counts characters, as the schema does.
type text struct {
	field string
	max   int
	empty bool // whether it may be empty
}

// CleanText is what people write, trimmed and normalised; an error where it can't be stored or shows nothing. max counts
// characters.
func CleanText(field string, max int, mayBeEmpty bool, s string) (string, error) {
	return text{field: field, max: max, empty: mayBeEmpty}.clean(s)
}

// clean trims and normalises s, and refuses what PostgreSQL can't store or what shows nothing.
func (t text) clean(s string) (string, error) {
	if !utf8.ValidString(s) { // a request can't be, an operator's command line can
		return "", t.bad("invalid_utf8", "it is not UTF-8")
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	if !t.empty && !account.Shows(s) {
		return "", t.bad("empty", "it has no visible character")
	}
	if n := utf8.RuneCountInString(s); n > t.max {
		return "", t.bad("too_long", fmt.Sprintf("it has %d characters after normalisation; %d fit", n, t.max))
	}
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if strings.ContainsFunc(s, control) {
		return "", t.bad("control_character", "it contains a control character")
	}
	return s, nil
}

func (t text) bad(code, message string) error {
	return fault.New(fault.Invalid, "the %s can't be used", t.field).WithCode("invalid_input").
		WithFields(fault.Field{Field: t.field, Code: code, Message: message})
}
