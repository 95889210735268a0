package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/platctl/platctl/internal/api/account/argon"
	"github.com/platctl/platctl/internal/base/fault"
)

// The cost of one hash: 19 MiB, two passes. Measured at 30 ms of CPU; OWASP's floor for argon2id.
const (
	hashMemory  = 19456 // KiB
	hashTime    = 2
	hashThreads = 1
	saltBytes   = 16
	keyBytes    = 32
)

// Hasher runs argon2id on a fixed number of goroutines behind a bounded queue.
//
// The permit belongs to the hashing goroutine, not to the request: abandoned work that has begun keeps its slot until it
// ends, so memory never exceeds workers times 19 MiB however many clients come and go.
type Hasher struct {
	jobs           chan *hashJob
	places         chan struct{} // one for each who has entered
	maxWait        time.Duration
	memory, passes uint32
	deriver        func() Deriver
	wg             sync.WaitGroup
}

// Deriver computes keys for one goroutine.
type Deriver interface {
	Derive(password, salt []byte, p argon.Params) []byte
	Close()
}

// here computes keys in this process.
type here struct{}

func (here) Derive(password, salt []byte, p argon.Params) []byte {
	return argon.Here(password, salt, p)
}
func (here) Close() {}

// HasherOption changes how a Hasher hashes.
type HasherOption func(*Hasher)

// WithCost makes new hashes of another cost. Tests of something else make theirs cheap: at the real cost hashing was half of
// what the API's tests took.
func WithCost(memoryKiB, passes uint32) HasherOption {
	return func(h *Hasher) { h.memory, h.passes = memoryKiB, passes }
}

type hashJob struct {
	run   func(Deriver)
	state atomic.Int32 // pending, then running or abandoned
	done  chan struct{}
}

const (
	pending int32 = iota
	running
	abandoned
)

// Apart has each worker compute its keys with a Deriver of its own, in place of in this process.
func Apart(deriver func() Deriver) HasherOption { return func(h *Hasher) { h.deriver = deriver } }

// NewHasher starts workers goroutines with room for queue waiting jobs, each of which waits for maxWait at most.
func NewHasher(workers, queue int, maxWait time.Duration, opts ...HasherOption) *Hasher {
	h := &Hasher{jobs: make(chan *hashJob, queue), places: make(chan struct{}, max(workers, 1)+queue), maxWait: maxWait, memory: hashMemory, passes: hashTime, deriver: func() Deriver { return here{} }}
	for _, o := range opts {
		o(h)
	}
	for range max(workers, 1) {
		h.wg.Go(h.work)
	}
	return h
}

func (h *Hasher) work() {
	d := h.deriver()
	defer d.Close()
	for j := range h.jobs {
		if j.state.CompareAndSwap(pending, running) {
			j.run(d)
		}
		close(j.done)
	}
}

// Close ends the workers after the queued jobs. Nothing may be hashed afterwards.
func (h *Hasher) Close() {
	close(h.jobs)
	h.wg.Wait()
}

// Enter lets in as many as can be worked on and wait, until they leave: who has something else to do before a password is verified
// begins it only then, so that a thousand who come at once don't all do it.
func (h *Hasher) Enter() (leave func(), err error) {
	if len(h.jobs) == cap(h.jobs) {
		return nil, saturated()
	}
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, nil
	default:
		return nil, saturated()
	}
}

// Hash returns the PHC string of password under a fresh salt.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand aborts the process instead
	var key []byte
	cost := argon.Params{Passes: h.passes, Memory: h.memory, Threads: hashThreads, Key: keyBytes}
	err := h.do(ctx, func(d Deriver) { key = d.Derive([]byte(password), salt, cost) })
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, hashThreads, b64(salt), b64(key)), nil
}

// Verify says whether password belongs to the PHC string.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (bool, error) {
	p, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	var key []byte
	cost := argon.Params{Passes: p.time, Memory: p.memory, Threads: p.threads, Key: uint32(len(p.key))}
	err = h.do(ctx, func(d Deriver) { key = d.Derive([]byte(password), p.salt, cost) })
	return err == nil && subtle.ConstantTimeCompare(key, p.key) == 1, err
}

func (h *Hasher) do(ctx context.Context, run func(Deriver)) error {
	j := &hashJob{run: run, done: make(chan struct{})}
	select {
	case h.jobs <- j:
	default:
		return saturated()
	}
	wait := time.NewTimer(h.maxWait)
	defer wait.Stop()
	for {
		select {
		case <-j.done:
			return nil
		case <-ctx.Done():
			j.state.CompareAndSwap(pending, abandoned)
			return ctx.Err()
		case <-wait.C:
			if j.state.CompareAndSwap(pending, abandoned) {
				return saturated()
			}
		}
	}
}

func saturated() error {
	return fault.New(fault.Unavailable, "too many people are logging in; try again in a moment").WithCode("hashing_saturated")
}

type phcParams struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

// parsePHC reads a stored hash. Its costs are capped: a row written by somebody else must not buy unbounded memory.
func parsePHC(phc string) (phcParams, error) {
	var p phcParams
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, fault.New(fault.Internal, "a stored password hash is not argon2id of a known version")
	}
	const costs = "m=%d,t=%d,p=%d"
	_, err := fmt.Sscanf(parts[3], costs, &p.memory, &p.time, &p.threads)
	if err != nil || fmt.Sprintf(costs, p.memory, p.time, p.threads) != parts[3] { // Sscanf ignores what follows
		return p, fault.New(fault.Internal, "a stored password hash has unreadable costs")
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	p.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || !p.bounded() {
		return p, fault.New(fault.Internal, "a stored password hash is damaged or has costs out of bounds")
	}
	return p, nil
}

func (p phcParams) bounded() bool {
	between := func(v, lo, hi uint32) bool { return v >= lo && v <= hi }
	return between(p.memory, 8, 4*hashMemory) && between(p.time, 1, 16) && between(uint32(p.threads), 1, 8) &&
		between(uint32(len(p.salt)), 8, 64) && between(uint32(len(p.key)), 16, 64)
}
