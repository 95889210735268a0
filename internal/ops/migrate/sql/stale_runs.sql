-- Whether something was done since the last fingerprint: its run was cut off before it could keep one.
select coalesce(max(e.at) > coalesce((select max(r.at) from platctl.migration_runs r), '-infinity'), false) from platctl.migration_events e
