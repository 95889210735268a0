-- An empty database whose name is $1, with encoding and locale of the database $2.
select format('create database %I template template0 encoding %L lc_collate %L lc_ctype %L', $1::text, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype)
from pg_database d where d.datname = $2
