select name, rows from platctl.seed_chunks
