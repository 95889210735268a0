package market

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// However the lines of an order are written, split and sorted, it is the same order; another quantity, note or farm is not.
func FuzzFingerprint(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6}, "note", uint8(1))
	f.Add([]byte{0, 0}, "", uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, note string, turn uint8) {
		var items []Item
		for i := 0; i+1 < len(data); i += 2 {
			items = append(items, Item{Product: int64(data[i]), Quantity: int64(data[i+1])})
		}
		sum, err := addUp(items)
		other := slices.Clone(items)
		slices.Reverse(other)
		if n := len(other); n > 0 {
			other = append(other[int(turn)%n:n:n], other[:int(turn)%n]...)
			if last := &other[0]; last.Quantity > 1 {
				last.Quantity--
				other = append(other, Item{last.Product, 1})
			}
		}
		again, errAgain := addUp(other)
		if (err == nil) != (errAgain == nil) || err == nil && !slices.Equal(sum, again) {
			t.Fatalf("%v and %v add up to %v, %v and %v, %v", items, other, sum, err, again, errAgain)
		}
		if err != nil {
			return
		}
		for i, s := range sum {
			if s.Quantity < 1 || s.Quantity > maxQuantity || i > 0 && sum[i-1].Product >= s.Product {
				t.Fatalf("%v", sum)
			}
		}
		p := PlaceOrder{Farm: int64(turn), Items: sum, Note: note}
		print := func(p PlaceOrder) string {
			sum, err := p.fingerprint()
			if err != nil || len(sum) != 32 {
				t.Fatal(sum, err)
			}
			return string(sum)
		}
		same := p
		same.Items = again
		if print(p) != print(same) {
			t.Fatalf("%+v and %+v are told apart", p, same)
		}
		farm, text, fewer := p, p, p
		farm.Farm++
		text.Note += "!"
		fewer.Items = nil
		if print(farm) == print(p) || print(text) == print(p) || print(fewer) == print(p) {
			t.Fatalf("%+v is taken for another", p)
		}
	})
}

// A product's id is a number of 64 bits: sorting must not overflow.
func TestAddUpSorts(t *testing.T) {
	t.Parallel()
	big := int64(binary.BigEndian.Uint64(bytes.Repeat([]byte{0x7f}, 8)))
	sum, err := addUp([]Item{{big, 1}, {-3, 1}, {-big, 1}, {2, 1}})
	if err != nil || !slices.IsSortedFunc(sum, func(a, b Item) int {
		if a.Product < b.Product {
			return -1
		}
		return 1
	}) {
		t.Errorf("%v, %v", sum, err)
	}
}

// Every status but the two last can be left, nobody but the farm goes forward, and no step leads back.
func TestSteps(t *testing.T) {
	t.Parallel()
	order := []Status{Placed, Confirmed, Ready, Completed, Cancelled}
	left := map[Status]bool{}
	for _, s := range steps() {
		left[s.from] = true
		if slices.Index(order, s.to) <= slices.Index(order, s.from) {
			t.Errorf("%s leads back to %s", s.from, s.to)
		}
		if s.to != Cancelled && slices.Contains(s.by, Buyer) {
			t.Errorf("a buyer makes an order %s", s.to)
		}
	}
	if !left[Placed] || !left[Confirmed] || !left[Ready] || left[Completed] || left[Cancelled] {
		t.Errorf("%v", left)
	}
	if err := mayMove(Ready, Cancelled, Seller); err == nil {
		t.Error("what is ready can be cancelled")
	}
}
