package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/ledger"
	"github.com/platctl/platctl/internal/ops/process"
)

// LockDoc is the lock file, schema platctl.lock/v1. It stays when the lock is given back, because it keeps the token.
type LockDoc struct {
	Schema    string       `json:"schema"`
	Token     uint64       `json:"token"`
	Owner     ledger.Actor `json:"owner"`
	Process   process.ID   `json:"process"`
	Command   string       `json:"command"`
	Acquired  time.Time    `json:"acquired"`
	Heartbeat time.Time    `json:"heartbeat"`
	Released  bool         `json:"released"`
}

// lock is the held deploy lock. The file is only touched under an flock on the app's directory, which needs no disk
// space; the owner in it is what others are told, and its heartbeat what makes a hung owner lose it.
type lock struct {
	token     uint64
	takenOver *LockDoc // of a dead owner

	host   *Host
	doc    LockDoc
	guard  *os.File // held for the whole time where the file could not be written
	stop   chan struct{}
	beat   sync.WaitGroup
	cancel context.CancelCauseFunc
}

const guardWait = 3 * time.Second

// acquire takes the lock. The returned context ends when the lock is lost. floor is a token known to have been used.
// With evenUnwritten a disk that takes no bytes is no obstacle: the flock alone then keeps others out.
func (h *Host) acquire(ctx context.Context, command string, floor uint64, evenUnwritten bool) (context.Context, *lock, error) {
	guard, err := h.guard(ctx)
	if err != nil {
		return ctx, nil, err
	}
	keep := false
	defer func() {
		if !keep {
			guard.Close()
		}
	}()
	old := h.readLock()
	l := &lock{host: h, stop: make(chan struct{})}
	if old.Token > 0 && !old.Released {
		if h.held(old) {
			return ctx, nil, busy(old)
		}
		l.takenOver = &old
	}
	self, err := process.Self()
	if err != nil {
		return ctx, nil, err
	}
	now := h.opts.Now().UTC()
	l.token = max(old.Token, floor) + 1
	l.doc = LockDoc{Token: l.token, Owner: h.opts.Actor, Process: self, Command: command, Acquired: now, Heartbeat: now}
	if err := h.writeLock(l.doc); err != nil {
		if !evenUnwritten {
			return ctx, nil, fault.Wrap(err, fault.Failed, "the deploy lock can't be written")
		}
		h.warn("lock", "the lock file can't be written; holding the directory instead: "+err.Error())
		l.guard, keep = guard, true
	}
	ctx, l.cancel = context.WithCancelCause(ctx)
	if !keep {
		l.beat.Go(l.heartbeat)
	}
	return ctx, l, nil
}

// release gives the lock back. Calling it twice is fine.
func (l *lock) release() {
	if l.cancel == nil {
		return
	}
	close(l.stop)
	l.beat.Wait()
	l.cancel(nil)
	l.cancel = nil
	if l.guard != nil {
		l.guard.Close()
		return
	}
	_ = l.update(func(d *LockDoc) { d.Released = true })
}

func (l *lock) heartbeat() {
	tick := time.NewTicker(l.host.opts.LockTTL / 4)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			if err := l.update(func(d *LockDoc) { d.Heartbeat = l.host.opts.Now().UTC() }); errors.Is(err, fault.Busy) {
				l.cancel(err)
				return
			}
		}
	}
}

// update changes the lock file if it is still ours. An error of kind Busy means that it is not.
func (l *lock) update(change func(*LockDoc)) error {
	guard, err := l.host.guard(context.Background())
	if err != nil {
		return fault.New(fault.Failed, "the lock can't be touched")
	}
	defer guard.Close()
	if now := l.host.readLock(); now.Token != l.token {
		return busy(now)
	}
	change(&l.doc)
	return l.host.writeLock(l.doc)
}

// held says whether the owner in d may still be at work. On this host that is known; elsewhere (another machine or
// container on the same disk) only the age of the heartbeat tells. A heartbeat far in the future is as wrong as an old one.
func (h *Host) held(d LockDoc) bool {
	if age := h.opts.Now().Sub(d.Heartbeat).Abs(); age > h.opts.LockTTL {
		return false
	}
	self, err := process.Self()
	if err == nil && d.Owner.Host == h.opts.Actor.Host && d.Process.Boot == self.Boot {
		return d.Process.Alive()
	}
	return true
}

func busy(d LockDoc) error {
	return fault.New(fault.Busy, "%s holds the lock for `platctl %s` since %s", describe(d), d.Command, d.Acquired.Format(time.RFC3339)).
		WithCode("locked").WithHint("wait for it, or end process %d on %s", d.Process.PID, d.Owner.Host)
}

func describe(d LockDoc) string {
	return fmt.Sprintf("%s on %s (pid %d)", d.Owner.User, d.Owner.Host, d.Process.PID)
}

// guard takes the flock under which the lock file is read and written.
func (h *Host) guard(ctx context.Context) (*os.File, error) {
	f, err := os.Open(h.dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "no app lives in %s", h.dir).WithHint("`platctl edge --detach` and `platctl deploy <dir>` make one")
	}
	ctx, cancel := context.WithTimeout(ctx, guardWait)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fault.New(fault.Busy, "another platctl is changing %s", h.opts.App).WithCode("locked")
		case <-tick.C:
		}
	}
}

// readLock returns the lock file, or a zero document where there is none that can be read: the token's floor then comes
// from the edge and the ledger.
func (h *Host) readLock() LockDoc {
	var d LockDoc
	data, err := durable.ReadFile(h.path("deploy.lock"), maxRecord)
	if err != nil || lockSchema().Decode(data, &d) != nil {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.warn("lock", "the lock file can't be read: "+err.Error())
		}
		return LockDoc{}
	}
	return d
}

func (h *Host) writeLock(d LockDoc) error {
	d.Schema = lockSchema().String()
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return durable.WriteFile(h.path("deploy.lock"), append(data, '\n'), 0o640)
}
