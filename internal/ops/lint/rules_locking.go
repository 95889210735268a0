package lint

import "slices"

// locking are the statements that block traffic by themselves.
func locking() []Rule {
	return slices.Concat(indexRules(), constraintRules(), columnRules(), objectRules())
}

func indexRules() []Rule {
	return []Rule{
		{"L01", "index-not-concurrent", Error, "Share on the table, for a scan", "writers wait until the index is built",
			"CREATE INDEX CONCURRENTLY, in a file without a transaction", "on a partitioned table: ON ONLY, then CONCURRENTLY on each partition and ATTACH"},
		{"L02", "drop-index-not-concurrent", Error, "AccessExclusive on the table", "everybody waits, and so does who queues behind",
			"DROP INDEX CONCURRENTLY, in a file without a transaction", ""},
		{"L03", "reindex", Error, "Share on the table, AccessExclusive on the index, for a scan", "writers wait, and readers that plan with the index",
			"REINDEX … CONCURRENTLY", "12"},
		{"L04", "concurrently-in-tx", Error, "none: it fails", "the server refuses it inside a transaction",
			"a file without a transaction (NO TRANSACTION, transaction:false), where it is a statement of its own", ""},
		{"L05", "concurrently-if-not-exists", Warning, "ShareUpdateExclusive", "an INVALID index of an interrupted try counts as existing and is never built",
			"DROP INDEX CONCURRENTLY IF EXISTS first, then create it without IF NOT EXISTS", ""},
	}
}

func constraintRules() []Rule {
	return []Rule{
		{"L06", "fk-validating", Error, "ShareRowExclusive on both tables, for a scan", "writers of two tables wait while the rows are checked",
			"ADD … NOT VALID, then VALIDATE CONSTRAINT in another transaction", "NOT VALID on a partitioned table: 18"},
		{"L07", "add-column-references", Error, "AccessExclusive on the table, ShareRowExclusive on the other", "one statement locks two tables, in an order that the application may not have",
			"the column first; then ADD CONSTRAINT … NOT VALID, then VALIDATE", ""},
		{"L08", "check-validating", Error, "AccessExclusive, for a scan", "everybody waits while the rows are checked",
			"ADD CONSTRAINT … CHECK (…) NOT VALID, then VALIDATE CONSTRAINT in another transaction", ""},
		{"L09", "add-column-check", Error, "AccessExclusive, for a scan", "the check of a new column reads every row, also when all of them have the default",
			"the column first; then ADD CONSTRAINT … CHECK (…) NOT VALID, then VALIDATE", ""},
		{"L10", "validate-in-same-tx", Error, "AccessExclusive of the ADD, held over the scan", "NOT VALID wins nothing when the same transaction validates",
			"VALIDATE CONSTRAINT in another migration", ""},
		{"L11", "set-not-null", Error, "AccessExclusive, for a scan", "everybody waits while the rows are checked",
			"ADD CONSTRAINT … CHECK (c IS NOT NULL) NOT VALID; VALIDATE; SET NOT NULL; drop the check", "18: ADD CONSTRAINT … NOT NULL c NOT VALID, then VALIDATE"},
		{"L12", "unique-constraint", Error, "AccessExclusive and Share, for a scan", "everybody waits until its index is built",
			"CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX", ""},
		{"L13", "add-column-unique", Error, "AccessExclusive and Share, for a scan", "everybody waits until its index is built",
			"the column first; then as L12", ""},
		{"L14", "add-primary-key", Error, "AccessExclusive, for an index and a check for NULL", "everybody waits until its index is built and the rows are checked",
			"CREATE UNIQUE INDEX CONCURRENTLY; NOT NULL as in L11; then ADD PRIMARY KEY USING INDEX", ""},
		{"L15", "exclusion", Error, "AccessExclusive and Share, for two scans", "everybody waits until its index is built",
			"there is none on a table in use: a new table, and a change-over", ""},
	}
}

func columnRules() []Rule {
	return []Rule{
		{"L16", "type-rewrite", Error, "AccessExclusive, for a rewrite of the table and its indexes", "everybody waits until the table is written anew",
			"a new column, both written, a backfill, a change-over", "free: wider varchar, varchar to text, numeric with more digits and the same scale, timestamp to timestamptz with TimeZone UTC and no index"},
		{"L17", "type-with-check", Error, "AccessExclusive, for a scan", "a constraint on the column is checked again for every row, also when the table isn't rewritten",
			"drop the constraint, change the type, add it NOT VALID, validate it in another transaction", ""},
		{"L18", "volatile-default", Error, "AccessExclusive, for a rewrite", "each row needs a value of its own: the table is written anew",
			"the column without a default; then SET DEFAULT; then a backfill", "11: a constant or now() is free"},
		{"L19", "serial-column", Error, "AccessExclusive, for a rewrite", "each row needs a number: the table is written anew",
			"a column without a default, a sequence, SET DEFAULT, a backfill", ""},
		{"L20", "stored-generated", Error, "AccessExclusive, for a rewrite", "each row needs the value: the table is written anew",
			"a plain column, a trigger and a backfill", "18: VIRTUAL is free"},
	}
}

func objectRules() []Rule {
	return []Rule{
		{"L21", "partition-attach-scan", Error, "AccessExclusive on the partition, for a scan; ShareUpdateExclusive on the parent", "the partition is read to see whether its rows belong there",
			"a CHECK with the bounds on the partition first: NOT VALID, then VALIDATE", "12"},
		{"L22", "create-partition-of", Error, "AccessExclusive on the parent", "everybody waits who uses any partition",
			"CREATE TABLE … (LIKE parent), then ATTACH PARTITION", ""},
		{"L23", "detach", Error, "AccessExclusive on both", "everybody waits who uses any partition",
			"DETACH PARTITION … CONCURRENTLY, in a file without a transaction", "14"},
		{"L24", "rewrite-maintenance", Error, "AccessExclusive, for a rewrite", "everybody waits until the table is written anew",
			"pg_repack, or a time without traffic", ""},
		{"L25", "matview", Error, "AccessExclusive on the view", "readers wait until it is computed",
			"a unique index, and REFRESH MATERIALIZED VIEW CONCURRENTLY", ""},
		{"L26", "trigger", Note, "ShareRowExclusive on the table", "writers wait for a moment, or as long as the lock is queued for",
			"a short lock_timeout, which the runner sets", ""},
		{"L27", "replace-view", Note, "AccessExclusive on the view", "readers wait for a moment, or as long as the lock is queued for",
			"a short lock_timeout, which the runner sets", ""},
		{"L28", "truncate", Error, "AccessExclusive, with CASCADE on every table that refers to it", "everybody waits, and the rows are gone",
			"DELETE in batches, in a backfill", ""},
	}
}
