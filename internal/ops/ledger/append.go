package ledger

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
)

// lockWait is how long Append waits for another writer. A writer holds the file for one write and one fsync.
const lockWait = 5 * time.Second

// Append writes events as consecutive lines with one fsync, and returns them as written. Either all of them are in the
// ledger afterwards or none is.
func Append(ctx context.Context, path string, now time.Time, events ...Event) ([]Event, error) {
	f, created, err := open(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the ledger can't be written")
	}
	defer f.Close()
	if err := lock(ctx, f); err != nil {
		return nil, err
	}
	end, prev, seq, err := prepareTail(f, path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the ledger can't be written")
	}
	var buf bytes.Buffer
	out := make([]Event, 0, len(events))
	for _, e := range events {
		seq++
		sealed, line, err := seal(e, seq, prev, now)
		if err != nil {
			return nil, err
		}
		prev = hashLine(line)
		buf.Write(line)
		buf.WriteByte('\n')
		out = append(out, sealed)
	}
	if err := writeAt(f, buf.Bytes(), end); err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the ledger can't be written")
	}
	if created {
		err = durable.SyncDir(filepath.Dir(path))
	}
	return out, fault.Op("append to ledger", err)
}

func open(path string) (f *os.File, created bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
		created = true
	}
	return f, created, err
}

// writeAt appends data at end; what a failed write left is cut off again, so a full disk does not tear the ledger.
func writeAt(f *os.File, data []byte, end int64) error {
	_, err := f.WriteAt(data, end)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Truncate(end)
	}
	return err
}

func lock(ctx context.Context, f *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fault.Wrap(err, fault.Failed, "the ledger can't be locked")
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Busy, "another process has been writing the ledger for %s", lockWait)
		case <-tick.C:
		}
	}
}

// prepareTail moves a torn last line aside and returns where to write, the hash of the last whole line and the highest
// number in use.
func prepareTail(f *os.File, path string) (end int64, prev string, seq uint64, err error) {
	data, err := readAll(f)
	if err != nil {
		return 0, "", 0, err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if torn := data[whole:]; len(torn) > 0 {
		keepAside(path+".torn", torn)
		if err := f.Truncate(int64(whole)); err != nil {
			return 0, "", 0, err
		}
	}
	var last []byte
	if whole > 0 {
		last = data[bytes.LastIndexByte(data[:whole-1], '\n')+1 : whole-1]
	}
	for _, e := range Parse(data[:whole]).Events {
		seq = max(seq, e.Seq)
	}
	return int64(whole), hashLine(last), seq, nil
}

// keepAside appends the torn bytes to a file for whoever wants to look; it is evidence, so failing at it stops nothing.
func keepAside(path string, torn []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.Write(append(torn, '\n'))
}
