// Package lint judges migrations by their text: which statements block traffic, which break the release that runs now. It is the
// fast pass without a server; `platctl migrate trace` is the judge.
//
// Invariants:
//   - A statement is ok only when its kind is known and every token of it was understood. Anything else needs a trace.
//   - Every finding names a rule of Rules, which has the reason and the safe form; nothing is found that is not in that list.
//   - It judges what is true in its place: a table that the same file makes is used by nobody, a CHECK that earlier files have
//     validated proves NOT NULL, a transaction holds its locks to its end.
//   - A finding is excused by `-- platctl: allow RULE reason` alone, and an allow that excuses nothing is a finding itself.
//   - It is pure: no server, no clock, no output; the same files give the same report.
package lint
