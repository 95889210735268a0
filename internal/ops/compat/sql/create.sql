-- An empty database like this one, whose name is $1.
select format('create database %I template template0 encoding %L lc_collate %L lc_ctype %L', $1::text, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype)
from pg_database d where d.datname = current_database()
