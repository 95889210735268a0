select datname from pg_database where starts_with(datname, $1) order by 1
