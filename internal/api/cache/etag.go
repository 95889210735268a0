package cache

import "strings"

// Matches says whether one of the lines of an If-None-Match header has an entity tag that is etag, by weak comparison
// (RFC 9110, 13.1.2), or is "*". What is malformed matches nothing, and neither does what follows it.
func Matches(lines []string, etag string) bool {
	if etag == "" {
		return false
	}
	if len(lines) == 1 && strings.Trim(lines[0], " \t") == "*" {
		return true
	}
	for _, l := range lines {
		for l != "" {
			var tag string
			var ok bool
			if tag, l, ok = nextTag(l); !ok {
				break
			}
			if tag == strings.TrimPrefix(etag, "W/") {
				return true
			}
		}
	}
	return false
}

// nextTag cuts the first entity tag, without its weakness, off a list. Empty elements are skipped.
func nextTag(list string) (tag, rest string, ok bool) {
	list = strings.TrimPrefix(strings.TrimLeft(list, " \t,"), "W/")
	if list == "" || list[0] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(list[1:], '"')
	if end < 0 {
		return "", "", false
	}
	tag, rest = list[:end+2], strings.TrimLeft(list[end+2:], " \t")
	if rest != "" && rest[0] != ',' {
		return "", "", false
	}
	return tag, rest, true
}
