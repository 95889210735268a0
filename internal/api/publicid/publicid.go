// Package publicid turns database ids into opaque public ones and back.
//
// A public id is a kind and eleven base58 digits: user_8Qm3kTz5vXa. The digits are a keyed permutation of the 64-bit id, so
// ids can't be enumerated or counted, no column is needed and the database keeps its dense bigint keys (uuid v7 keys
// measured 38 to 56 % larger indexes). The permutation is a Feistel network over AES and differs by kind. It hides ids;
// it authorises nothing.
package publicid

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Kind is what an id names.
type Kind string

// The kinds of public ids.
const (
	User    Kind = "user"
	Post    Kind = "post"
	Comment Kind = "comment"
	Note    Kind = "note"
	Farm    Kind = "farm"
	Product Kind = "prod"
	Order   Kind = "order"
	Session Kind = "sess"
	Media   Kind = "media"
	Report  Kind = "report"
	Action  Kind = "action" // a row of the moderation log
	Cursor  Kind = "cur"
)

// Digits is the length of the part after the kind: 58^11 is the first power of 58 above 2^64.
const Digits = 11

const (
	alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	rounds   = 6
)

// Codec encodes and decodes under one key. It is safe for concurrent use.
type Codec struct{ block cipher.Block }

// New returns a Codec for a key of any length of 16 bytes or more.
func New(key []byte) (*Codec, error) {
	if len(key) < 16 {
		return nil, fault.New(fault.Config, "the id key has %d bytes; it needs 16 or more", len(key))
	}
	sum := sha256.Sum256(append([]byte("platctl public id\x00"), key...))
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		return nil, fault.Op("make id codec", err)
	}
	return &Codec{block: block}, nil
}

// Encode returns the public form of id.
func (c *Codec) Encode(k Kind, id int64) string {
	v := c.permute(k, uint64(id), false)
	var d [Digits]byte
	for i := Digits - 1; i >= 0; i-- {
		d[i] = alphabet[v%58]
		v /= 58
	}
	return string(k) + "_" + string(d[:])
}

// Decode returns the id that s names, or an error of kind Invalid. Ids below 1 do not exist, so they are refused too.
func (c *Codec) Decode(k Kind, s string) (int64, error) {
	digits, ok := strings.CutPrefix(s, string(k)+"_")
	if !ok || len(digits) != Digits {
		return 0, bad(k)
	}
	var v uint64
	for i := range len(digits) {
		d := strings.IndexByte(alphabet, digits[i])
		if d < 0 || v > (1<<64-1-uint64(d))/58 {
			return 0, bad(k)
		}
		v = v*58 + uint64(d)
	}
	id := int64(c.permute(k, v, true))
	if id < 1 {
		return 0, bad(k)
	}
	return id, nil
}

func bad(k Kind) error {
	return fault.New(fault.Invalid, "not a %s id", k).WithCode("bad_id")
}

// permute runs the Feistel network, backwards to invert it.
func (c *Codec) permute(k Kind, v uint64, invert bool) uint64 {
	// One buffer for all rounds: what goes through the cipher.Block interface is on the heap, and a page of 20 products
	// makes 40 ids.
	var buf [2 * aes.BlockSize]byte
	in, out := buf[:aes.BlockSize], buf[aes.BlockSize:]
	copy(in[:8], k)
	round := func(i int, half uint32) uint32 {
		in[8] = byte(i)
		binary.BigEndian.PutUint32(in[12:], half)
		c.block.Encrypt(out, in)
		return binary.BigEndian.Uint32(out)
	}
	left, right := uint32(v>>32), uint32(v)
	for i := range rounds {
		if invert {
			left, right = right^round(rounds-1-i, left), left
		} else {
			left, right = right, left^round(i, right)
		}
	}
	return uint64(left)<<32 | uint64(right)
}
