update platctl.migrations set stmt_done = $2, begun = null where version = $1
