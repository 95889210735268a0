package mail

import (
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/platctl/platctl/internal/base/fault"
)

// Limits of RFC 5321, in bytes.
const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

const maxName = 64 // characters of a sender's name, which stands in subjects too

// ParseAddress returns what somebody typed as the address to store and to send to: local part in NFC, domain in lower-case ASCII.
// Only what needs no quoting in any protocol passes. A domain has a dot, unless dotless says that ones like localhost will do.
func ParseAddress(text string, dotless bool) (string, error) {
	s := norm.NFC.String(strings.TrimSpace(text))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || strings.Contains(domain, "@") || !utf8.ValidString(s) {
		return "", badAddress("malformed", "it is written name@domain")
	}
	if code, what := checkLocal(local); code != "" {
		return "", badAddress(code, what)
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !isDomain(ascii) {
		return "", badAddress("domain", "what follows the @ is not a domain")
	}
	if !strings.Contains(ascii, ".") && !dotless {
		return "", badAddress("domain", "the domain has no dot")
	}
	if len(local)+1+len(ascii) > maxAddress {
		return "", badAddress("too_long", "it has more than 254 bytes")
	}
	return local + "@" + ascii, nil
}

func badAddress(code, message string) error {
	return fault.New(fault.Invalid, "the e-mail address can't be used").WithCode("invalid_input").
		WithFields(fault.Field{Field: "email", Code: code, Message: message})
}

// checkLocal wants words of RFC 5321 with dots between them, and letters of any script.
func checkLocal(local string) (code, message string) {
	if len(local) > maxLocal {
		return "too_long", "what stands before the @ has more than 64 bytes"
	}
	for word := range strings.SplitSeq(local, ".") {
		if word == "" {
			return "malformed", "a word is missing before the @, or beside a dot"
		}
		if strings.ContainsFunc(word, func(r rune) bool { return !isAtom(r) }) {
			return "malformed", "it has a space, a quote or another character that addresses don't have"
		}
	}
	return "", ""
}

func isAtom(r rune) bool {
	if r <= unicode.MaxASCII {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

func isDomain(ascii string) bool {
	labels := strings.Split(ascii, ".")
	for _, l := range labels {
		if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != "" // 127.0.0.1 is no domain
}

// ParseFrom reads a sender: "Name <address>" or an address alone.
func ParseFrom(text string) (netmail.Address, error) {
	a, err := netmail.ParseAddress(text)
	if err != nil {
		return netmail.Address{}, fault.New(fault.Config, "%q is no sender; it is written Name <address> or address", text)
	}
	if a.Address, err = ParseAddress(a.Address, true); err != nil {
		return netmail.Address{}, fault.New(fault.Config, "%q is no sender: %s", text, fault.From(err).Fields[0].Message)
	}
	if strings.ContainsFunc(a.Name, unicode.IsControl) || utf8.RuneCountInString(a.Name) > maxName {
		return netmail.Address{}, fault.New(fault.Config, "%q is no sender: its name is longer than %d characters or not one line", text, maxName)
	}
	return *a, nil
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
