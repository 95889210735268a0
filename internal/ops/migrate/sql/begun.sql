update platctl.migrations set begun = $2 where version = $1
