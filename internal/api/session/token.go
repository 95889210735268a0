package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
)

// A refresh token is version | uvarint session | uvarint counter | HMAC-SHA256 cut to 128 bits | CRC-32, in unpadded
// base64url. The HMAC is under the session's own key and proves that we made it; the checksum only keeps junk away from
// the database.
const (
	tokenVersion = 1
	macBytes     = 16
	sumBytes     = 4
	macDomain    = "platctl refresh token\x00"
	maxToken     = 64 // characters; the longest has 55
)

// Token is what a refresh token says. One that was parsed carries the HMAC it came with.
type Token struct {
	Session int64
	Counter uint64

	mac [macBytes]byte
}

// payload is the part that is signed.
func (t Token) payload() []byte {
	b := []byte{tokenVersion}
	b = binary.AppendUvarint(b, uint64(t.Session))
	return binary.AppendUvarint(b, t.Counter)
}

func (t Token) sum(key []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(macDomain))
	h.Write(t.payload())
	return h.Sum(nil)[:macBytes]
}

// Sign returns the text of t under the session's key.
func (t Token) Sign(key []byte) string { return t.text(t.sum(key)) }

func (t Token) text(mac []byte) string {
	b := append(t.payload(), mac...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// SignedBy says whether the token was signed with key, in constant time.
func (t Token) SignedBy(key []byte) bool { return hmac.Equal(t.mac[:], t.sum(key)) }

// ParseToken reads a refresh token. There is one spelling of each: text that decodes and is not how we would write it is
// refused like everything else, with the error of a token that is out of date.
func ParseToken(text string) (Token, error) {
	if len(text) > maxToken {
		return Token{}, badToken()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+macBytes+sumBytes || b[0] != tokenVersion {
		return Token{}, badToken()
	}
	body, sum := b[:len(b)-sumBytes], b[len(b)-sumBytes:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) {
		return Token{}, badToken()
	}
	numbers, mac := body[1:len(body)-macBytes], body[len(body)-macBytes:]
	id, n := binary.Uvarint(numbers)
	if n <= 0 || id < 1 || id > math.MaxInt64 {
		return Token{}, badToken()
	}
	counter, m := binary.Uvarint(numbers[n:])
	if m <= 0 || n+m != len(numbers) || counter > math.MaxInt64 {
		return Token{}, badToken()
	}
	t := Token{Session: int64(id), Counter: counter}
	copy(t.mac[:], mac)
	if t.text(mac) != text { // a number in more bytes than it needs
		return Token{}, badToken()
	}
	return t, nil
}
