package server

import (
	"bytes"
	"encoding/json"
)

// outline returns how deep JSON nests, and the first key that an object has twice, in quotes, nil for none: of two values each
// decoder takes the one it likes, and what looked at the body before us may have liked the other. It decodes nothing and allocates
// nothing for the bodies that the API knows. What is not JSON has some outline, and is refused by the decoder.
func outline(body []byte) (deepest int, doubled []byte) {
	var room [32][]byte
	o := sketch{keys: room[:0]}
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '"':
			end := closing(body, i)
			if in := o.current(); in != nil && in.keyNext && doubled == nil && o.has(in, body[i:end]) {
				doubled = body[i:end]
			}
			i = end - 1
		case '{', '[':
			o.enter(c == '{')
			deepest = max(deepest, o.level)
		case '}', ']':
			o.leave()
		case ',', ':':
			if in := o.current(); in != nil {
				in.keyNext = in.object && c == ','
			}
		}
	}
	return deepest, doubled
}

// closing returns where the string ends that begins at a quotation mark.
func closing(body []byte, from int) int {
	for i := from + 1; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(body)
}

// sketch is where in a body outline is. Keys of objects that are open lie behind each other, those of the innermost last.
type sketch struct {
	level int // below 0 for what is not JSON
	open  [maxDepth + 1]container
	keys  [][]byte
}

// container is an object or an array that is open.
type container struct {
	object, keyNext bool
	first           int             // of its keys
	many            map[string]bool // its keys, when they are too many to look through
}

// fewKeys is how many are looked through one by one.
const fewKeys = 16

// current returns the innermost container, nil outside of all, and deeper than any body may be.
func (s *sketch) current() *container {
	if s.level < 1 || s.level > maxDepth {
		return nil
	}
	return &s.open[s.level]
}

func (s *sketch) enter(object bool) {
	s.level++
	if in := s.current(); in != nil {
		*in = container{object: object, keyNext: object, first: len(s.keys)}
	}
}

func (s *sketch) leave() {
	if in := s.current(); in != nil {
		s.keys = s.keys[:in.first]
	}
	s.level--
}

// has says whether the object has a key already, and takes it down.
func (s *sketch) has(in *container, key []byte) bool {
	if bytes.IndexByte(key, '\\') >= 0 { // escaped, so that it only looks different
		var text string
		if json.Unmarshal(key, &text) == nil {
			key = []byte(`"` + text + `"`)
		}
	}
	if in.many != nil {
		was := in.many[string(key)]
		in.many[string(key)] = true
		return was
	}
	own := s.keys[in.first:]
	for _, k := range own {
		if bytes.Equal(k, key) {
			return true
		}
	}
	s.keys = append(s.keys, key)
	if len(own) == fewKeys {
		in.many = map[string]bool{}
		for _, k := range s.keys[in.first:] {
			in.many[string(k)] = true
		}
	}
	return false
}
