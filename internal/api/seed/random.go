package seed

import (
	"math/bits"
	"sort"
)

// rng is splitmix64: a stream of numbers for one row, from the seed, the kind of row and its id.
type rng struct{ state uint64 }

type kind uint64

const (
	kindUser kind = iota + 1
	kindPost
	kindFollow
	kindLike
	kindComment
	kindBlock
	kindProduct
	kindSeen
	kindShape // how often something happens to a row
	kindMarket
	kindFarm
	kindOrder
	kindCart
	kindPicture
)

func newRNG(seed uint64, k kind, id int64) *rng {
	r := &rng{seed ^ uint64(k)*0x9e3779b97f4a7c15}
	r.state = r.next() ^ uint64(id)*0xd1342543de82ef95
	r.next()
	return r
}

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (r *rng) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

func pick[T any](r *rng, of []T) T { return of[r.below(len(of))] }

const one = 1 << 40 // the weight of rank 0

// zipf draws ranks: rank r with a weight of 1/(r+1).
type zipf struct{ upTo []uint64 }

func newZipf(n int) *zipf {
	z := &zipf{upTo: make([]uint64, n)}
	var sum uint64
	for r := range z.upTo {
		sum += one / uint64(r+1)
		z.upTo[r] = sum
	}
	return z
}

func (z *zipf) draw(r *rng) int {
	hi, _ := bits.Mul64(r.next(), z.upTo[len(z.upTo)-1])
	return sort.Search(len(z.upTo), func(i int) bool { return z.upTo[i] > hi })
}

// patience is how often a rank is drawn again before its neighbours are tried.
const patience = 8

// distinct draws k different ranks that skip lets through. There have to be that many.
func (z *zipf) distinct(r *rng, k int, skip func(rank int) bool) []int {
	out := make([]int, 0, k)
	taken := make(map[int]bool, k)
	for len(out) < k {
		rank := z.draw(r)
		for try := 0; taken[rank] || skip(rank); try++ {
			if try < patience {
				rank = z.draw(r)
			} else {
				rank = (rank + 1) % len(z.upTo)
			}
		}
		taken[rank] = true
		out = append(out, rank)
	}
	return out
}

// shuffle is a permutation of [0, n) that takes no memory: i -> (a*i + b) mod n.
type shuffle struct{ a, b, n uint64 }

func newShuffle(r *rng, n int) shuffle {
	s := shuffle{n: uint64(n), b: uint64(r.below(n))}
	for s.a = 1 + uint64(r.below(n)); gcd(s.a, s.n) != 1; s.a++ {
	}
	return s
}

func (s shuffle) at(i int) int {
	hi, lo := bits.Mul64(s.a, uint64(i))
	lo, carry := bits.Add64(lo, s.b, 0)
	return int(bits.Rem64(hi+carry, lo, s.n))
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// spread deals total things out to n ranks, a power law with a flat head: rank r expects total * (1/(r+flat)) / sum.
type spread struct {
	total, sum uint64
	flat, most int
}

func newSpread(total, n, flat, most int) spread {
	s := spread{total: uint64(total), flat: flat, most: most}
	for r := range n {
		s.sum += s.weight(r)
	}
	return s
}

func (s spread) weight(rank int) uint64 { return one / uint64(rank+s.flat) }

// of returns how many things a rank gets; chance decides about the fraction.
func (s spread) of(rank int, chance *rng) int {
	hi, lo := bits.Mul64(s.total*s.weight(rank), 1<<20)
	expected, _ := bits.Div64(hi, lo, s.sum) // 44.20 fixed point
	return min(int((expected+chance.next()>>44)>>20), s.most)
}
