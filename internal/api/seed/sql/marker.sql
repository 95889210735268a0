select generator, scale, seed, anchor, password_hash, finished_at is not null, hash from platctl.seed
