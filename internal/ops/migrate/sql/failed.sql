update platctl.migrations set state = 'failed', error = $2 where version = $1
