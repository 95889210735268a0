package ledger

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func at(minute int) time.Time { return time.Date(2026, 3, 4, 5, minute, 0, 0, time.UTC) }

func sample() []Event {
	who := Actor{User: "ana", Host: "web1", PID: 4711, CIURL: "https://ci.example/1"}
	return []Event{
		{Kind: Stage, App: "market", ReleaseID: "1-1.0.0", Version: "1.0.0", Digest: strings.Repeat("ab", 32), Actor: who, Result: OK, DurMS: 12, FencingToken: 1},
		{Kind: Swap, App: "market", ReleaseID: "1-1.0.0", Version: "1.0.0", Actor: who, Why: "first", Result: OK, FencingToken: 1},
		{Kind: Rollback, App: "market", ReleaseID: "1-1.0.0", Version: "1.0.0", From: "2-2.0.0", Actor: who, Result: OK, DurMS: 40, Counters: &Counters{Requests: 10, Failed: 9, Retried: 1}, FencingToken: 3},
		{Kind: Verdict, App: "market", ReleaseID: "2-2.0.0", Version: "2.0.0", Actor: who, Result: Bad, FencingToken: 3},
	}
}

func writeSample(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	for i, e := range sample() {
		if _, err := Append(t.Context(), path, at(i), e); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestGolden(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "ledger.v1.jsonl")
	got, err := os.ReadFile(writeSample(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("wrote\n%s\nthe format is\n%s", got, want)
	}
	log, err := ReadFile(golden)
	if err != nil || log.Err() != nil || len(log.Events) != 4 || log.Torn != 0 {
		t.Fatalf("read %+v, %v", log, err)
	}
	if e := log.Events[2]; e.Counters == nil || e.Counters.Failed != 9 || e.From != "2-2.0.0" || !e.TS.Equal(at(2)) {
		t.Errorf("read %+v", e)
	}
	if log.LastToken() != 3 {
		t.Errorf("last token %d", log.LastToken())
	}
}

// A file whose lines were written by the release before and the one after: the chain is over bytes, so fields this reader
// does not know are part of it.
func TestReaderAcceptsItsNeighbours(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	prev := hashLine(nil)
	for i, v := range []int{0, 1, 2} {
		line := fmt.Sprintf(`{"schema":"platctl.ledger/v%d","seq":%d,"prev":%q,"kind":"swap","app":"a","result":"ok","of_the_future":[1,{"x":2}]}`, v, i+1, prev)
		prev = hashLine([]byte(line))
		b.WriteString(line + "\n")
	}
	log := Parse(b.Bytes())
	if log.Err() != nil || len(log.Events) != 3 {
		t.Fatalf("%+v", log)
	}
	fmt.Fprintf(&b, `{"schema":"platctl.ledger/v3","seq":4,"prev":%q,"kind":"swap"}`+"\n", prev)
	log = Parse(b.Bytes())
	if !errors.Is(log.Err(), fault.No) || len(log.Events) != 3 || log.Problems[0].Line != 4 {
		t.Fatalf("two versions ahead: %+v", log)
	}
}

func TestEveryTamperingShows(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(writeSample(t))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")[:4]
	swapped := []string{lines[0], lines[2], lines[1], lines[3]}
	for name, text := range map[string]string{
		"a changed line":   strings.Replace(string(whole), "first", "frist", 1),
		"a lost line":      lines[0] + lines[2] + lines[3],
		"a doubled line":   lines[0] + lines[0] + lines[1],
		"two swapped":      strings.Join(swapped, ""),
		"garbage between":  lines[0] + "garbage\n" + lines[1],
		"a lost beginning": lines[1] + lines[2],
		"an empty line":    lines[0] + "\n" + lines[1],
	} {
		log := Parse([]byte(text))
		if log.Err() == nil {
			t.Errorf("%s goes unnoticed", name)
		}
		if len(log.Events) < 2 {
			t.Errorf("%s: only %d events are readable", name, len(log.Events))
		}
	}
}

func TestTornLastLineIsMovedAside(t *testing.T) {
	t.Parallel()
	for name, torn := range map[string]string{
		"half an event":                   `{"schema":"platctl.ledger/v1","seq":5,"pr`,
		"zero bytes":                      "\x00\x00\x00\x00",
		"whole event without its newline": `{"schema":"platctl.ledger/v1","seq":5,"prev":"","kind":"swap","app":"market","result":"ok"}`,
	} {
		path := writeSample(t)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(torn)
		f.Close()
		log, err := ReadFile(path)
		if err != nil || log.Err() != nil || len(log.Events) != 4 || log.Torn != len(torn) {
			t.Fatalf("%s: %+v, %v", name, log, err)
		}
		if _, err := Append(t.Context(), path, at(9), Event{Kind: Stage, App: "market", Result: OK}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		log, err = ReadFile(path)
		if err != nil || log.Err() != nil || len(log.Events) != 5 || log.Torn != 0 || log.Events[4].Seq != 5 {
			t.Fatalf("%s, after the next event: %+v, %v", name, log, err)
		}
		if kept, _ := os.ReadFile(path + ".torn"); string(kept) != torn+"\n" {
			t.Errorf("%s: kept %q", name, kept)
		}
	}
}

func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := Append(t.Context(), path, at(0), sample()[0], sample()[1]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	log, err := ReadFile(path)
	if err != nil || log.Err() != nil || len(log.Events) != 80 {
		t.Fatalf("%d events, %v, %v", len(log.Events), log.Err(), err)
	}
}

// /dev/full refuses every write with ENOSPC, as a full disk does.
func TestFailedWriteLeavesTheChainWhole(t *testing.T) {
	t.Parallel()
	path := writeSample(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path) // not writable: the write fails
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeAt(f, []byte("x\n"), int64(len(before))); err == nil {
		t.Fatal("wrote to a read-only descriptor")
	}
	if err := os.Symlink("/dev/full", path+".full"); err != nil {
		t.Fatal(err)
	}
	_, err = Append(t.Context(), path+".full", at(0), sample()[0])
	if !errors.Is(err, fault.Failed) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a full device: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
		t.Fatal("the ledger changed")
	}
}

func TestAnOversizedEventIsRefused(t *testing.T) {
	t.Parallel()
	path := writeSample(t)
	if _, err := Append(t.Context(), path, at(0), Event{Kind: Stage, Why: strings.Repeat("x", maxWrite)}); !errors.Is(err, fault.Invalid) {
		t.Fatalf("got %v", err)
	}
	if log, err := ReadFile(path); err != nil || len(log.Events) != 4 || log.Err() != nil {
		t.Fatalf("%+v, %v", log, err)
	}
}

func FuzzParse(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "ledger.v1.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(golden[:len(golden)-7])
	f.Add([]byte("\n\n{}\n"))
	f.Add([]byte(`{"schema":"platctl.ledger/v1","seq":18446744073709551615,"kind":"x"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		log := Parse(data)
		if n := bytes.Count(data, []byte("\n")); len(log.Events) > n || len(log.Problems) > n {
			t.Fatalf("%d lines became %d events and %d problems", n, len(log.Events), len(log.Problems))
		}
		path := filepath.Join(t.TempDir(), "l")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Append(t.Context(), path, at(0), sample()[0]); err != nil {
			t.Fatalf("can't append behind it: %v", err)
		}
		after, err := ReadFile(path)
		if err != nil || len(after.Events) != len(log.Events)+1 || after.Torn != 0 {
			t.Fatalf("after appending: %+v, %v", after, err)
		}
	})
}

// A damaged number must not make Append use one a second time.
func TestNumbersAreNeverReused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	lines := `{"schema":"platctl.ledger/v1","seq":9,"kind":"swap"}` + "\n" + `{"schema":"platctl.ledger/v1","seq":3,"kind":"swap"}` + "\n"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := Append(t.Context(), path, time.Now(), Event{Kind: Swap, Result: OK})
	if err != nil || out[0].Seq != 10 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestALineWithoutEndIsAProblemNotAnEvent(t *testing.T) {
	t.Parallel()
	line := func(n int) []byte {
		head := `{"schema":"platctl.ledger/v1","seq":1,"kind":"swap","why":"`
		return []byte(head + strings.Repeat("x", n-len(head)-2) + `"}`)
	}
	if e, what := decode(line(MaxLine)); e == nil {
		t.Errorf("a line at the limit %s", what)
	}
	if e, what := decode(line(MaxLine + 1)); e != nil || what == "" {
		t.Errorf("a line beyond the limit was read: %q", what)
	}
}
