update platctl.migrations set stmt_done = $2 where version = $1
