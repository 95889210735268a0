package confirmation

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// alphabet is Crockford's: 32 characters of which none looks like another, in capitals or not.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	selectorLen = 4 // finds the code among others: 20 bits
	secretLen   = 8 // 40 bits, of which five guesses are allowed
	groupLen    = 4 // characters between two hyphens
)

// code is what a person types: a selector and a secret. Wrong secrets cost the code that its selector names, so somebody who
// knows an address but no code can't use up the tries of the codes that are on their way to it.
type code struct{ selector, secret string }

func newCode() code {
	b := make([]byte, selectorLen+secretLen)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the process instead
	for i := range b {
		b[i] = alphabet[b[i]%byte(len(alphabet))] // 256 is a multiple of 32: each is as likely
	}
	return code{string(b[:selectorLen]), string(b[selectorLen:])}
}

// String writes the code as it is mailed: 7KQ2-M4XD-9RTB.
func (c code) String() string {
	all := c.selector + c.secret
	var b strings.Builder
	for i := 0; i < len(all); i += groupLen {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(all[i : i+groupLen])
	}
	return b.String()
}

// parseCode reads what somebody typed or pasted: in small letters, with spaces for hyphens, with an O for a zero.
func parseCode(text string) (code, bool) {
	if len(text) > 8*(selectorLen+secretLen) {
		return code{}, false
	}
	s := strings.Join(strings.Fields(strings.ToUpper(text)), "")
	s = strings.NewReplacer("-", "", "\u2010", "", "\u2011", "", "\u2013", "", "O", "0", "I", "1", "L", "1").Replace(s) // mail programs restyle hyphens
	if len(s) != selectorLen+secretLen || strings.Trim(s, alphabet) != "" {
		return code{}, false
	}
	return code{s[:selectorLen], s[selectorLen:]}, true
}

// mac is what is stored: without the key it can't be searched for the code.
func (c code) mac(key []byte, confirmation int64) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(confirmation)))
	h.Write([]byte(c.selector + c.secret))
	return h.Sum(nil)
}

func (c code) is(mac, key []byte, confirmation int64) bool {
	return hmac.Equal(mac, c.mac(key, confirmation))
}
