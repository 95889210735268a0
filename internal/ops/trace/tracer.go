package trace

import (
	"cmp"
	"context"
	_ "embed"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/look.sql
var sqlLook string

//go:embed sql/flush.sql
var sqlFlush string

// tracer is the watcher of one scratch database. Its methods are called in the runner's goroutine.
type tracer struct {
	obs   *observer
	gates *gates
	world world

	made []*relation // by the statement

	muted   bool // the file runs, and nothing is kept of it
	out     []*Statement
	tries   map[int]int    // of each statement
	gated   map[int]bool   // whether it has met gates
	waited  map[int][]Wait // by each statement, in all its tries
	holding map[held]bool  // by the transaction that is open
	notices []string
	idle    bool // the statement began outside a transaction
	loud    bool // the file has changed which notices are sent
	stop    func() *sighting
	cur     *Statement
}

// newTracer makes the watcher of the database of the URL; conn is the observer's session there.
func newTracer(conn *pgx.Conn, url string) *tracer {
	t := &tracer{obs: &observer{conn: conn}, gates: &gates{url: url, shut: map[int32]*gate{}}, world: world{}}
	t.start()
	return t
}

// notice keeps what the server says about rewriting and verifying. Its texts are never translated.
func (t *tracer) notice(_ *pgconn.PgConn, n *pgconn.Notice) {
	for _, about := range []string{"rewriting table", "verifying table", "validating foreign key constraint", "existing constraints on"} {
		if strings.HasPrefix(n.Message, about) && !slices.Contains(t.notices, n.Message) {
			t.notices = append(t.notices, n.Message)
		}
	}
}

// session makes the runner's session send those notices; as its own default they outlive RESET ALL.
func (t *tracer) session(cfg *pgx.ConnConfig) {
	cfg.RuntimeParams["client_min_messages"] = "debug1"
	cfg.OnNotice = t.notice
}

// start begins a way up or down.
func (t *tracer) start() {
	t.out, t.tries, t.gated, t.waited = nil, map[int]int{}, map[int]bool{}, map[int][]Wait{}
}

// Before looks at what is there, once a file, and begins to watch.
func (t *tracer) Before(ctx context.Context, conn *pgx.Conn, at migrate.Point) error {
	if t.muted {
		return nil
	}
	t.tries[at.Index]++
	if at.Index == 0 || len(t.out) == 0 {
		if err := t.begin(ctx, conn); err != nil {
			return err
		}
	}
	t.idle = conn.PgConn().TxStatus() == 'I'
	if err := t.prepare(ctx, conn, at); err != nil {
		return err
	}
	t.notices, t.made = nil, nil
	t.cur = &Statement{Index: at.Index + 1, Line: at.Statement.Line, SQL: short(at.Statement.SQL), Locks: []Lock{}, Rewrites: []string{}, Scans: []Scan{}}
	if n := t.tries[at.Index]; n > 1 {
		t.cur.Attempts = n
	}
	t.stop = t.obs.watch(ctx, conn.PgConn().PID(), t.gates)
	t.cur.began = time.Now()
	return nil
}

// prepare finds out what the transaction holds, sees to it that notices come, and shuts the gates.
func (t *tracer) prepare(ctx context.Context, conn *pgx.Conn, at migrate.Point) error {
	if t.loud {
		if err := t.hear(ctx, conn); err != nil {
			return err
		}
	}
	t.loud = t.loud || strings.Contains(strings.ToLower(at.Statement.SQL), "client_min_messages")
	switch {
	case t.idle && !t.gated[at.Index]: // a statement that is tried again has shown its locks
		t.holding, t.gated[at.Index] = map[held]bool{}, true
		return t.gates.close(ctx, t.world, at.Statement.SQL)
	case t.idle:
		t.holding = map[held]bool{}
	case at.Stepwise: // maybe another transaction than that of the statement before
		_, locks, err := look(ctx, conn)
		t.holding = locks
		return err
	}
	return nil
}

// begin starts a file: what is there now was there before it. The counters are read in the runner's session, which is the one that
// moves them; what the observer's has read itself must not arrive among them later.
func (t *tracer) begin(ctx context.Context, conn *pgx.Conn) error {
	if _, err := t.obs.conn.Exec(ctx, sqlFlush); err != nil {
		return err
	}
	now, err := relations(ctx, conn, nil)
	if err != nil {
		return err
	}
	t.world.refresh(now)
	t.out, t.holding, t.loud = nil, map[held]bool{}, false
	return nil
}

// hear undoes a SET client_min_messages of the file for what follows.
func (t *tracer) hear(ctx context.Context, conn *pgx.Conn) error {
	set := "set local client_min_messages = debug1"
	if t.idle {
		set = "set client_min_messages = debug1"
	}
	return conn.PgConn().Exec(ctx, set).Close()
}

// After keeps what the statement did.
func (t *tracer) After(ctx context.Context, conn *pgx.Conn, at migrate.Point, failed error) error {
	if t.muted {
		return nil
	}
	took := time.Since(t.cur.began)
	seen := t.stop()
	if seen.err != nil {
		return fault.Wrap(seen.err, fault.Failed, "the observer's session broke")
	}
	t.cur.TookMS = ms(max(took-seen.gated, 0))
	t.cur.Notices = t.notices
	t.waited[at.Index] = append(t.waited[at.Index], t.waits(seen.waits)...)
	t.cur.Waits = t.waited[at.Index]
	if i := slices.IndexFunc(t.out, func(s *Statement) bool { return s.Index == t.cur.Index }); i >= 0 {
		t.out = t.out[:i]
	}
	t.out = append(t.out, t.cur)
	if failed != nil {
		t.keepLocks(seen.locks)
		return nil
	}
	if conn.PgConn().TxStatus() == 'T' {
		return t.inside(ctx, conn, at.Statement.SQL)
	}
	return t.outside(ctx, conn, at.Statement.SQL, seen)
}

// look reads what the session's transaction holds, and files and counters of that.
func look(ctx context.Context, conn *pgx.Conn) (now []*relation, locks map[held]bool, err error) {
	locks = map[held]bool{}
	rows, err := conn.Query(ctx, sqlLook)
	if err != nil {
		return nil, locks, err
	}
	var modes []string
	var r relation
	_, err = pgx.ForEachRow(rows, []any{&r.oid, &modes, &r.filenode, &r.scans, &r.tuples}, func() error {
		for _, m := range modes {
			locks[held{r.oid, Mode(m)}] = true
		}
		now = append(now, &relation{oid: r.oid, filenode: r.filenode, scans: r.scans, tuples: r.tuples})
		return nil
	})
	return now, locks, err
}

// inside reads what the open transaction holds, and what became of it.
func (t *tracer) inside(ctx context.Context, conn *pgx.Conn, sql string) error {
	now, locks, err := look(ctx, conn)
	if err == nil {
		err = t.learn(ctx, conn, now)
	}
	if err != nil {
		return err
	}
	t.cur.Held = t.stopping(t.holding)
	t.keepLocks(locks)
	t.holding = locks
	t.keepWork(now, sql)
	return nil
}

// outside reads what a statement that has ended its transaction left behind.
func (t *tracer) outside(ctx context.Context, conn *pgx.Conn, sql string, seen *sighting) error {
	now, err := relations(ctx, conn, nil)
	if err != nil {
		return err
	}
	for _, r := range now {
		if t.world[r.oid] == nil {
			made := *r
			t.add(&made)
		}
	}
	t.keepLocks(seen.locks)
	t.holding = map[held]bool{}
	t.keepWork(now, sql)
	return nil
}

// learn asks for the names of relations that the file has made.
func (t *tracer) learn(ctx context.Context, conn *pgx.Conn, now []*relation) error {
	var unknown []uint32
	for _, r := range now {
		if t.world[r.oid] == nil {
			unknown = append(unknown, r.oid)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	made, err := relations(ctx, conn, unknown)
	for _, r := range made {
		t.add(r)
	}
	return err
}

// add takes a relation as made by the file; its counters began with it.
func (t *tracer) add(r *relation) {
	r.new, r.scans, r.tuples = true, 0, 0
	t.world[r.oid] = r
	t.made = append(t.made, r)
}

// keepLocks keeps the locks that the transaction hadn't before, the strongest first.
func (t *tracer) keepLocks(locks map[held]bool) {
	for l := range locks {
		if t.holding[l] {
			continue
		}
		if lock, ok := t.lock(l); ok {
			t.cur.Locks = append(t.cur.Locks, lock)
		}
	}
	sortLocks(t.cur.Locks)
}

// lock names a lock. Those on TOAST tables go with their table's.
func (t *tracer) lock(l held) (Lock, bool) {
	r := t.world.get(l.oid)
	return Lock{Relation: r.name, Kind: r.kindName(), Mode: l.mode, Blocks: l.mode.Blocks(), New: r.new || t.ownerNew(r), oid: l.oid},
		r.kind != "t" && !strings.HasPrefix(r.name, "pg_toast.")
}

func (t *tracer) ownerNew(r *relation) bool {
	o := t.world[r.owner]
	return o != nil && o.new
}

// stopping returns the locks on relations of before the file that stop reads or writes.
func (t *tracer) stopping(locks map[held]bool) []Lock {
	var out []Lock
	for l := range maps.Keys(locks) {
		lock, ok := t.lock(l)
		if ok && !lock.New && l.mode.stops() && (lock.Kind == "table" || lock.Kind == "view" || lock.Kind == "materialized view") {
			out = append(out, lock)
		}
	}
	sortLocks(out)
	return out
}

func sortLocks(all []Lock) {
	slices.SortFunc(all, func(a, b Lock) int {
		return cmp.Or(cmp.Compare(b.Mode.rank(), a.Mode.rank()), strings.Compare(a.Relation, b.Relation))
	})
}

// keepWork keeps which relations have new files and which were read whole.
func (t *tracer) keepWork(now []*relation, sql string) {
	read, changed := map[uint32]int64{}, []*relation{}
	for _, n := range now {
		r := t.world[n.oid]
		if r == nil {
			continue
		}
		if d := n.scans - r.scans; d > 0 && r.rows() {
			sc := Scan{Table: r.name, Passes: d, Tuples: max(n.tuples-r.tuples, 0), New: r.new}
			read[r.oid] = sc.Tuples
			t.cur.Scans = append(t.cur.Scans, sc)
		}
		if n.filenode != r.filenode && r.filenode != 0 && n.filenode != 0 && !r.new && !t.ownerNew(r) {
			changed = append(changed, r)
		}
		r.filenode, r.scans, r.tuples = n.filenode, n.scans, n.tuples
	}
	t.keepFiles(now, changed, read, sql)
	slices.SortFunc(t.cur.Scans, func(a, b Scan) int { return strings.Compare(a.Table, b.Table) })
}

// keepFiles tells TRUNCATE from a rewrite: both give a table new files, but a rewrite reads the rows of the old ones, unless it is of a
// kind that copies or computes them. TRUNCATE builds the indexes again, from nothing.
func (t *tracer) keepFiles(now, changed []*relation, read map[uint32]int64, sql string) {
	tokens := sqltoken.Split(sql)
	copies := len(tokens) > 0 && slices.ContainsFunc([]string{"alter", "refresh", "cluster", "vacuum", "reindex"}, tokens[0].Is)
	emptied := map[uint32]bool{}
	for _, r := range changed {
		if r.kind == "r" && read[r.oid] == 0 && !copies {
			emptied[r.oid] = true
			t.cur.Emptied = append(t.cur.Emptied, r.name)
			t.cur.Scans = slices.DeleteFunc(t.cur.Scans, func(s Scan) bool { return s.Table == r.name })
		}
	}
	changed = append(changed, t.replaced(now)...)
	for _, r := range changed {
		if r.kind != "t" && !emptied[r.oid] && !emptied[r.owner] && !strings.HasPrefix(r.name, "pg_toast.") {
			t.cur.Rewrites = append(t.cur.Rewrites, r.name)
		}
	}
	slices.Sort(t.cur.Rewrites)
	slices.Sort(t.cur.Emptied)
}

// replaced returns the indexes that are gone while another one has their name: REINDEX CONCURRENTLY and a new type of a column make them
// again under a number of its own.
func (t *tracer) replaced(now []*relation) []*relation {
	var out []*relation
	for _, m := range t.made {
		for _, r := range t.world {
			there := slices.ContainsFunc(now, func(n *relation) bool { return n.oid == r.oid && n.filenode != 0 })
			if m.kind == "i" && r.kind == "i" && !r.new && !there && r.name == m.name {
				out = append(out, r)
			}
		}
	}
	return out
}

// waits names what was waited for.
func (t *tracer) waits(all []Wait) []Wait {
	for i := range all {
		if all[i].oid != 0 {
			all[i].For = t.world.get(all[i].oid).name
		}
		all[i].For = strings.TrimSpace(all[i].For)
	}
	return all
}

// short is a statement on one line.
func short(sql string) string {
	s := strings.TrimSuffix(strings.Join(strings.Fields(sql), " "), ";")
	if r := []rune(s); len(r) > 160 {
		s = string(r[:159]) + "…"
	}
	return s
}
