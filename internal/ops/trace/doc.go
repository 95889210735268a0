// Package trace runs migrations on a scratch database and reports what a real PostgreSQL did: which locks each statement took,
// which relations it rewrote or read whole, what it waited for, and whether the way down leads back.
//
// Invariants:
//   - A file runs through package migrate's own runner: the same splitter, transaction, timeouts and reset between files.
//   - Nothing is written outside the scratch database, which is dropped at the end, also after a failure or an interruption. One
//     that a killed trace has left is dropped by the next trace on that server: a lock says whether its owner lives.
//   - Inside a transaction the report is exact: after each statement the session's own locks, file nodes and counters are read by
//     oid, so that a relation that was dropped shows. A statement outside a transaction has let go of its locks when it ends; for
//     it, gates (transactions that have written to the tables it names) make it wait while an observer reads its locks.
//   - The observer holds no snapshot, so nothing that waits for old snapshots waits for it.
//   - Numbers of the scratch database are measured; numbers for production are estimates and say from what.
package trace
