package lint

// rows reads INSERT, UPDATE, DELETE, MERGE and WITH, which may hold any of them.
func (s *stmt) rows() {
	s.at = 0
	all := s.rest()
	s.callsOf(all)
	s.copies(all)
	for i, t := range all {
		if (t.Is("update") || t.Is("delete") || t.Is("insert") || t.Is("merge")) && (i == 0 || all[i-1].Is("(") || closesWith(all, i)) {
			s.writes(reader{toks: all, at: i})
		}
	}
}

// closesWith says whether what stands before is the end of a WITH list.
func closesWith(all tokens, i int) bool { return all[0].Is("with") && all[i-1].Is(")") }

// copies finds SELECT INTO, which makes a table.
func (s *stmt) copies(all tokens) {
	for i, t := range all {
		if t.Is("into") && i > 0 && !all[i-1].Is("insert") && !all[i-1].Is("merge") {
			s.mark = i
			s.trace("SELECT INTO makes a table; CREATE TABLE AS says so")
		}
	}
}

// writes judges one of the statements that write rows.
func (s *stmt) writes(r reader) {
	verb := r.peek().Text
	r.any("insert into", "update", "delete from", "merge into")
	r.take("only")
	n, ok := r.name()
	if !ok {
		return
	}
	key := s.r.w.key(n)
	hot := s.r.w.hot(key)
	body := r.until(func(t token) bool { return t.Is(")") })
	switch verb {
	case "insert":
		s.bulk = s.bulk || selects(body)
	case "update", "delete":
		s.bulk = true
		if hot && !filters(body) {
			s.find("L35", "every row of %s is written at once", key)
		}
		if verb == "update" {
			s.twice(body)
		}
	case "merge":
		s.bulk = true
	}
	if hot {
		s.wrote = s.wrote || s.bulk
		s.locks = append(s.locks, lock{key, rowExclusive})
	}
}

// selects says whether an INSERT takes rows from tables: how many, nobody knows.
func selects(body tokens) bool {
	for _, p := range split(body, "from")[1:] {
		if len(p) > 0 {
			return true
		}
	}
	r := reader{toks: body}
	r.until(func(t token) bool { return t.Is("(") || t.Is("select") || t.Is("table") || t.Is("with") })
	return r.take("table")
}

// filters says whether a WHERE chooses rows.
func filters(body tokens) bool {
	parts := split(body, "where")
	if len(parts) < 2 {
		return false
	}
	last := unwrap(parts[len(parts)-1])
	return !(len(last) == 1 && last[0].Is("true"))
}

// twice finds a column that UPDATE sets twice.
func (s *stmt) twice(body tokens) {
	r := reader{toks: body}
	r.until(func(t token) bool { return t.Is("set") })
	r.take("set")
	list := r.until(func(t token) bool { return t.Is("from") || t.Is("where") || t.Is("returning") })
	seen := map[string]bool{}
	for _, e := range split(list, ",") {
		if len(e) > 1 && e[0].Name() && e[1].Is("=") {
			s.style("S13", seen[e[0].Text], "%s is set twice", e[0].Text)
			seen[e[0].Text] = true
		}
	}
}

// query reads SELECT, VALUES and TABLE.
func (s *stmt) query() {
	s.at = 0
	all := s.rest()
	s.copies(all)
	s.settings(all)
	s.callsOf(all)
	s.idle = true
}

// callsOf asks for a trace where a function may do anything.
func (s *stmt) callsOf(toks tokens) {
	for _, c := range calls(toks) {
		if harmless(c.name) || c.name.base == "set_config" && s.toks[0].Is("select") {
			continue
		}
		s.trace("what %s() does", c.name)
		return
	}
}

// truncate reads TRUNCATE.
func (s *stmt) truncate() {
	s.several = true
	s.take("table")
	for {
		s.mark = s.at
		s.take("only")
		n, ok := s.name()
		if !ok {
			return
		}
		s.take("*")
		key := s.key(n)
		s.locksTable(key, accessExclusive)
		s.breaks(s.r.w.hot(key), "L28", "the rows of %s go, under its lock", key)
		if !s.take(",") {
			break
		}
	}
	s.any("restart identity", "continue identity")
	if s.take("cascade") {
		s.trace("which tables CASCADE empties as well")
	}
	s.take("restrict")
}

// lockTable reads LOCK TABLE.
func (s *stmt) lockTable() {
	s.several = true
	s.take("table")
	s.take("only")
	all, ok := s.names()
	if !ok {
		return
	}
	m := accessExclusive
	if s.take("in") {
		for mode, words := range lockWords() {
			if s.take(words) {
				m = mode
			}
		}
		s.take("mode")
	}
	s.take("nowait")
	for _, n := range all {
		key := s.key(n)
		s.locksTable(key, m)
		s.breaks(s.r.w.hot(key) && m >= share, "L31", "%s is locked until the transaction ends", key)
	}
}

func lockWords() map[mode]string {
	return map[mode]string{-1: "access share", -2: "row share", rowExclusive: "row exclusive", shareUpdateExclusive: "share update exclusive",
		share: "share mode", shareRowExclusive: "share row exclusive", exclusive: "exclusive mode", accessExclusive: "access exclusive"}
}

// cluster reads CLUSTER.
func (s *stmt) cluster() {
	s.take("verbose")
	if s.is("(") {
		s.parens()
	}
	if s.done() {
		s.notInTx("CLUSTER of all tables")
		s.find("L24", "every clustered table is written anew under its lock")
		return
	}
	n, ok := s.name()
	if !ok {
		return
	}
	if s.take("using") {
		s.ident()
	}
	s.rewritten(n)
}

// rewritten judges a statement that writes a table anew.
func (s *stmt) rewritten(n name) {
	key := s.key(n)
	s.locksTable(key, accessExclusive)
	if s.r.w.hot(key) {
		s.slow = key + " is written anew"
		s.find("L24", "%s is written anew under its lock", key)
	}
}

// vacuum reads VACUUM.
func (s *stmt) vacuum() {
	full := s.option("full")
	for s.any("full", "freeze", "verbose", "analyze", "analyse") {
		full = full || s.toks[s.at-1].Is("full")
	}
	s.notInTx("VACUUM")
	if s.done() && full {
		s.find("L24", "every table is written anew under its lock")
	}
	for !s.done() {
		n, ok := s.name()
		if !ok {
			return
		}
		s.parens()
		if full {
			s.rewritten(n)
		}
		if !s.take(",") {
			return
		}
	}
}

// option passes a list of options in parentheses, if one comes next, and says whether one is on.
func (s *stmt) option(name string) bool {
	on := false
	list, _ := s.parens()
	for _, o := range split(list, ",") {
		r := reader{toks: o}
		on = on || r.take(name) && !r.any("false", "off", "0")
	}
	return on
}
