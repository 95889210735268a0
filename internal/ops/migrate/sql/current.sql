select coalesce(max(version), 0) from platctl.migrations where state = 'applied'
