-- What was applied above a version, or stands halfway, with its text.
select version, name, phase, up_text from platctl.migrations
where version > $1 and state in ('applied', 'running', 'failed', 'reverting')
order by version
