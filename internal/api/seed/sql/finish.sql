update platctl.seed set finished_at = now(), hash = $1, rows = $2
