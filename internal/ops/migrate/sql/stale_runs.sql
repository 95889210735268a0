-- Whether something was done since the last fingerprint: its run was cut off before it could keep one.
select coalesce((select max(e.at) from platctl.migration_events e) > (select max(r.at) from platctl.migration_runs r), false)
