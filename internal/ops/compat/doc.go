// Package compat tells whether a release can run on a schema that is not the one it was built on: release N-1 on schema N.
//
// Make derives a release's SQL contract from a real database: every named query with its types, what it reads and writes, and what
// is true of that. Judge holds it against another database in three layers: what the migrations above it declare, every statement
// prepared and planned, and the catalogue compared fact by fact.
//
// Invariants:
//   - PROVEN is said only where every statement was planned and every difference is one that is known to be harmless. What
//     isn't known is UNPROVEN with its reason; BROKEN names a statement that fails and its SQLSTATE.
//   - Judge only reads: it plans statements and runs none of them. It waits for no lock longer than Options.LockTimeout.
//   - What a statement needs is asked of the server, which parses it and tells its dependencies, not guessed from its text. A
//     function that the server can't look into is taken to need every column of each relation that it names.
package compat
