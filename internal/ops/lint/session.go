package lint

import "strings"

// set reads SET, whose values reach the end of the file.
func (s *stmt) set() {
	s.idle = true
	s.any("local", "session")
	if s.take("time zone") {
		s.setting("timezone", s.rest())
		return
	}
	if s.any("transaction", "characteristics", "constraints", "role", "authorization") {
		s.rest()
		return
	}
	if s.take("schema") {
		s.setting("search_path", s.rest())
		return
	}
	n, ok := s.name()
	if !ok || !s.any("=", "to") {
		return
	}
	s.setting(strings.ToLower(n.String()), s.rest())
}

// setting judges a setting that gets a value.
func (s *stmt) setting(name string, value tokens) {
	s.mark = 0
	v := text(value)
	switch name {
	case "lock_timeout":
		if zero(v) {
			s.find("L29", "lock_timeout %s waits for ever", v)
		} else {
			s.warn("L29", "lock_timeout %s replaces the runner's", v)
		}
	case "statement_timeout", "transaction_timeout":
		if zero(v) {
			s.find("L30", "%s %s lets a statement take for ever", name, v)
		}
	case "timezone":
		s.r.utc = strings.EqualFold(v, "utc") || strings.EqualFold(v, "etc/utc")
	case "search_path":
		s.searchPath(value)
	case "standard_conforming_strings":
		if v != "on" && v != "true" {
			s.trace("what strings mean from here on")
		}
	case "session_replication_role", "allow_system_table_mods", "zero_damaged_pages", "ignore_system_indexes", "ignore_checksum_failure":
		s.trace("what other statements do with %s %s", name, v)
	}
}

// zero says whether a time is none: 0 in any unit, or the default of the server.
func zero(v string) bool {
	digits := strings.TrimRight(strings.ToLower(v), "msinhd u")
	return digits == "" || strings.Trim(digits, "0.+- ") == "" || strings.EqualFold(v, "default")
}

// searchPath follows where names without a schema belong.
func (s *stmt) searchPath(value tokens) {
	list := split(value, ",")
	if first := list[0]; len(first) == 1 && first[0].Text != "" && !first[0].Is("default") && !strings.ContainsAny(first[0].Text, ",$") {
		s.r.w.schema = first[0].Text
		return
	}
	if len(list[0]) == 1 && list[0][0].Is("default") {
		s.r.w.schema = "public"
		return
	}
	s.r.w.schema = "?" + text(value)
}

func (s *stmt) reset() {
	s.idle = true
	v := text(s.rest())
	s.forgets(v)
}

// forgets judges a setting that goes back to the session's.
func (s *stmt) forgets(what string) {
	s.mark = 0
	all := what == "all"
	if all || what == "lock_timeout" {
		s.find("L29", "the runner's lock_timeout is reset")
	}
	if all || what == "search_path" {
		s.r.w.schema = "public"
	}
	if all || what == "timezone" || what == "time zone" {
		s.r.utc = false
	}
}

func (s *stmt) discard() {
	s.idle = true
	if text(s.rest()) == "all" {
		s.notInTx("DISCARD ALL")
		s.forgets("all")
	}
}

// settings finds set_config('name', 'value', …).
func (s *stmt) settings(all tokens) {
	for i, t := range all {
		if !t.Is("set_config") || i+1 >= len(all) {
			continue
		}
		r := reader{toks: all, at: i + 1}
		inner, _ := r.parens()
		args := split(inner, ",")
		if len(args) != 3 || len(args[0]) != 1 || len(args[1]) != 1 {
			s.trace("what set_config() sets")
			continue
		}
		s.setting(strings.ToLower(args[0][0].Text), args[1])
	}
}

func (s *stmt) begin() {
	s.rest()
	s.idle = true
	s.style("S12", true, "the file opens a transaction of its own")
	s.r.own = newTx(true)
}

func (s *stmt) commit() {
	s.rest()
	s.idle = true
	s.r.own = newTx(false)
}
