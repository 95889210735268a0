insert into platctl.seed_chunks (name, rows) values ($1, $2)
