package seed

import (
	"context"
	_ "embed"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

//go:embed sql/lock.sql
var sqlLock string

//go:embed sql/unlock.sql
var sqlUnlock string

//go:embed sql/holder.sql
var sqlHolder string

// lockKey is "platseed" in ASCII: one seeding a database.
const lockKey int64 = 0x706c617473656564

// lockWait is for the server to notice that the process which seeded before was killed.
const lockWait = 5 * time.Second

func (l *loader) lock(ctx context.Context) (release func(), err error) {
	for deadline := time.Now().Add(lockWait); ; {
		var ok bool
		if err := l.conn.QueryRow(ctx, sqlLock, lockKey).Scan(&ok); err != nil {
			return nil, databaseFault(err, "the lock of the seeding can't be asked for")
		}
		if ok {
			return l.unlock, nil
		}
		if time.Now().After(deadline) {
			return nil, l.busy(ctx)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (l *loader) busy(ctx context.Context) error {
	var pid int
	var app string
	if err := l.conn.QueryRow(ctx, sqlHolder, lockKey).Scan(&pid, &app); err != nil {
		return databaseFault(err, "the holder of the lock can't be read")
	}
	return fault.New(fault.Busy, "another seeding runs here: %s, session %d of the server", app, pid).WithHint("wait for it")
}

// unlock needs no answer: the end of the session releases it as well.
func (l *loader) unlock() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = l.conn.Exec(ctx, sqlUnlock, lockKey)
}
