// Package limits is how often something may happen: rates, the meter that measures every client against one, the policy that
// says which limit holds for whom, and its file.
//
// Invariants: a Meter never admits more than burst + rate x time units of one client in any span of time, and under load
// exactly that many; what it refuses costs the client nothing; its memory is fixed when it is made, whatever the number of
// clients; changing a rate keeps what every client owes. A policy that Validate accepts can be
// enforced as it is, one that Parse accepts over another one.
// Nothing here reads a clock, a database or a request: callers pass the time, and a Lender connects several servers.
package limits
