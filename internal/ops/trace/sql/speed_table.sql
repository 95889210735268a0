create temporary table platctl_speed as select g as id, 'some text of a row ' || g as a, md5(g::text) as b, now() as c from generate_series(1, 200000) g;
select count(*) from platctl_speed where b < '8';
select count(*) from platctl_speed where b < '8';
alter table platctl_speed alter id type bigint;
create index on platctl_speed (b);
select pg_relation_size('platctl_speed')
