// Package migrate applies SQL migrations to PostgreSQL and tells which are applied.
//
// It reads folders of goose (Up, Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUB), dbmate and golang-migrate as they
// are, and `-- platctl:` directives: phase, lock_timeout, statement_timeout, retries, batch, and allow, which is for the linter alone.
//
// Invariants:
//   - One runner a database: a session-level advisory lock that is polled, never waited for inside the server, because a
//     blocked session would hold up CREATE INDEX CONCURRENTLY. The lock belongs to the session that migrates, and every
//     file checks that its session has it.
//   - A migration in a transaction and its ledger row commit together. A migration without one has a row "running" before
//     its first statement and a count that commits with each statement; one that can't run in a transaction is noted before it
//     begins, and the catalogue says what became of it. A backfill commits each batch with its progress. So a crash is visible
//     and resumable, and nothing is done twice but code that commits by itself.
//   - The way down is run from the ledger, so any platctl can take back what another one applied. The ledger's log,
//     platctl.migration_events, is only added to.
//   - The text of an applied migration doesn't change; the ledger keeps text and SHA-256 of up and down.
//   - Status takes no lock and answers while a migration runs.
//   - Nothing here prints: Options.OnEvent hears what happens.
package migrate
