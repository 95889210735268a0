// Package argon computes argon2id, here or in a process of its own.
//
// A hash at our cost takes 19 MiB and 30 ms of a core. In the server's process each one left 19 MiB of garbage behind, which is
// more than everything else the server holds, so its collector ran at every login; and threads of one process can't be given a
// low priority without stopping the others at each collection. In a child at low priority it costs the server two messages.
//
// Invariants: Derive returns the key, whatever happens to the child: another one is started, and where none can be, the key is
// computed here. A child computes one key at a time and ends when its server does, however that ends.
package argon

import "golang.org/x/crypto/argon2"

// Params is what a hash costs and how long its key is.
type Params struct {
	Passes  uint32
	Memory  uint32 // KiB
	Threads uint8
	Key     uint32 // bytes
}

// Here computes a key in this process.
func Here(password, salt []byte, p Params) []byte {
	return argon2.IDKey(password, salt, p.Passes, p.Memory, p.Threads, p.Key)
}

// request and answer are the messages between a server and its child, JSON one after the other.
type request struct {
	Password, Salt []byte
	Params         Params
}

type answer struct{ Key []byte }
