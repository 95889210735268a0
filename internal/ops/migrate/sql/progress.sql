update platctl.migrations set progress = $2 where version = $1
