package migrate

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/fence.sql
var sqlFence string

// A file in a transaction takes two round trips: one with its statements and its row of the ledger, and the commit. The commit stays
// apart: whoever interrupts must know whether it happened.

// resets give a session back as it was opened: what a file sets must not reach the next one. RESET ALL leaves the role alone.
const resets = "reset all; " + resetRole

// opening opens the transaction of a file in a session that is reset.
func (r *runner) opening(p pass) string {
	return "begin; " + timeouts(p.mg, r.m.opts.LockTimeout, "set local")
}

// pipelines says whether the statements can be sent without waiting for each other's end: a block of several may end the
// transaction, and those behind it would be on their own; COPY talks with the client.
func pipelines(script *Script) bool {
	return !slices.ContainsFunc(script.Statements, func(st Statement) bool { return !single(st.SQL) || firstWords(st.SQL, 1)[0] == "copy" })
}

// single says whether a text holds one statement and no more.
func single(sql string) bool {
	if !strings.Contains(strings.TrimSuffix(sql, ";"), ";") {
		return true
	}
	var s splitter
	for line := range strings.Lines(sql) {
		s.add(line, 1)
	}
	return len(s.out) == 1 && !s.lex.open() || len(s.out) == 0
}

// pipelined sends all of a file but the commit at once: resets, the transaction, its statements and its row of the ledger. The server
// answers each when it is done, and skips those behind one that fails. The resets come before a sync of their own, because a
// transaction begins as the session's settings say at its first message.
func (r *runner) pipelined(ctx context.Context, p pass) error {
	_, after := p.states()
	_, args := r.recordSQL(p, after, p.doneAtEnd(), "")
	pl := r.conn.PgConn().StartPipeline(ctx)
	lead := send(pl, resets) + 1
	pl.SendPipelineSync()
	lead += send(pl, r.opening(p)) + 1
	pl.SendQueryParams(sqlFence, [][]byte{strconv.AppendUint(nil, uint64(r.pid), 10)}, nil, nil, nil)
	for i, st := range p.script.Statements {
		pl.SendQueryParams(st.SQL, nil, nil, nil, nil)
		if i < p.total()-1 {
			pl.SendFlushRequest() // so that progress is seen, and not only the end
		}
	}
	send(pl, resetRole)
	pl.SendQueryPrepared(prepared(p), args, nil, nil)
	err := pl.Sync()
	if err == nil {
		err = r.answers(pl, p, lead)
	}
	return cmp.Or(err, pl.Close())
}

// send sends statements of our own, and returns how many they are.
func send(pl *pgconn.Pipeline, statements string) (n int) {
	for sql := range strings.SplitSeq(statements, "; ") {
		pl.SendQueryParams(sql, nil, nil, nil, nil)
		n++
	}
	return n
}

// answers reads the answers to what pipelined has sent: so many of our own, the last of them the fence's, and then the file's.
func (r *runner) answers(pl *pgconn.Pipeline, p pass, lead int) error {
	began := time.Now()
	for i := -lead; ; i++ {
		err := answer(pl)
		switch {
		case errors.Is(err, errSynced) && i < 0:
		case errors.Is(err, errSynced):
			return nil
		case pg.Is(err, pg.DivisionByZero) && i == -1:
			return noFence()
		case err != nil && i >= 0 && i < p.total():
			return &failure{st: p.script.Statements[i], n: i, err: err}
		case err != nil:
			return err
		case i >= 0 && i < p.total():
			r.emit(Event{Kind: EventStatement, Version: p.mg.Version, Name: p.mg.Name, Done: i + 1, Total: p.total(), Took: time.Since(began)})
		}
		began = time.Now()
	}
}

var errSynced = errors.New("everything is answered")

func answer(pl *pgconn.Pipeline) error {
	res, err := pl.GetResults()
	if err != nil {
		return err
	}
	if rows, ok := res.(*pgconn.ResultReader); ok {
		_, err = rows.Close()
		return err
	}
	return errSynced
}

// prepared is the name of the statement that writes the row of a file that has ended: planning it takes longer than running it.
func prepared(p pass) string {
	if p.down {
		return "platctl_record_down"
	}
	return "platctl_record"
}

// ready makes the session fit for files at once: the statement is prepared and the lock is there, which a file before may have
// changed.
func (r *runner) ready(ctx context.Context, p pass) error {
	name := prepared(p)
	if r.isReady[name] {
		return nil
	}
	if err := r.fence(ctx); err != nil {
		return err
	}
	sql, _ := r.recordSQL(p, Applied, 0, "")
	err := r.conn.PgConn().Deallocate(ctx, name)
	if err == nil {
		_, err = r.conn.PgConn().Prepare(ctx, name, sql, nil)
	}
	r.isReady[name] = err == nil
	return err
}

// forget is called for each file that has run: what may have taken the lock or a prepared statement away makes the session unfit.
func (r *runner) forget(p pass) {
	text := strings.ToLower(p.script.Text)
	if p.script.Stepwise || strings.Contains(text, "discard") || strings.Contains(text, "deallocate") || strings.Contains(text, "unlock") {
		clear(r.isReady)
	}
}

// numbered is a statement whose parameters had names: the server takes their types from where they stand.
type numbered struct {
	sql   string
	names []string // by number
}

var parameter = regexp.MustCompile(`@\w+`)

func number(sql string) (n numbered) {
	n.sql = parameter.ReplaceAllStringFunc(sql, func(name string) string {
		at := slices.Index(n.names, name[1:])
		if at < 0 {
			at, n.names = len(n.names), append(n.names, name[1:])
		}
		return "$" + strconv.Itoa(at+1)
	})
	return n
}

// text returns the parameters as the server reads them.
func (n numbered) text(args map[string]any) [][]byte {
	out := make([][]byte, len(n.names))
	for i, name := range n.names {
		switch v := args[name].(type) {
		case time.Time:
			out[i] = []byte(v.Format(time.RFC3339Nano))
		case time.Duration:
			out[i] = fmt.Appendf(nil, "%d microseconds", v.Microseconds())
		default:
			out[i] = []byte(fmt.Sprint(v)) // never nil, which is NULL
		}
	}
	return out
}
