package lint

// styles are opt-in. Teams differ, and none of them blocks or breaks anything by itself.
func styles() []Rule {
	return []Rule{
		{"S01", "prefer-bigint", Style, "", "an integer that counts runs out, and making it wider rewrites the table", "bigint", ""},
		{"S02", "prefer-identity", Style, "", "serial leaves a default and rights on a sequence behind", "GENERATED ALWAYS AS IDENTITY", ""},
		{"S03", "prefer-text", Style, "", "a length in the type is changed under a lock", "text with a CHECK", ""},
		{"S04", "ban-char", Style, "", "char(n) pads with spaces", "text", ""},
		{"S05", "prefer-timestamptz", Style, "", "timestamp without time zone is no point in time", "timestamptz", ""},
		{"S06", "prefer-jsonb", Style, "", "json has no equality: DISTINCT and UNION fail", "jsonb", ""},
		{"S07", "enum", Style, "", "a value of an enum can't be removed", "a text column with a CHECK, or a table", ""},
		{"S08", "domain-constraint", Style, "", "a constraint of a domain is changed for every table at once", "a CHECK on the column", ""},
		{"S09", "require-schema", Style, "", "a name without a schema depends on search_path", "schema.name", ""},
		{"S10", "long-identifier", Style, "", "PostgreSQL cuts names after 63 bytes", "a shorter name", ""},
		{"S11", "robust-statement", Style, "", "without a transaction a statement may be done and not counted, and is run again", "IF [NOT] EXISTS, except for an index (L05)", ""},
		{"S12", "own-transaction", Style, "", "the runner has the transaction; a file that opens one of its own is not counted inside it", "leave BEGIN and COMMIT away", ""},
		{"S13", "duplicate-assignment", Style, "", "UPDATE sets a column twice: it fails", "once", ""},
		{"S14", "drop-database", Style, "", "a migration belongs to one database and doesn't drop any", "by hand", ""},
		{"S15", "wide-index", Style, "", "an index on more than three columns is big and seldom used to its end", "fewer columns, or INCLUDE", ""},
		{"S16", "fk-without-index", Style, "", "a DELETE of the other table's rows reads this table", "an index that begins with the key's columns", ""},
		{"S17", "concurrent-corruption", Style, "", "CREATE INDEX CONCURRENTLY of 14.0 to 14.3 can leave rows out", "an update to 14.4", "14.0 to 14.3"},
	}
}
