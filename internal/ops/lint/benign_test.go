package lint

import (
	"strings"
	"testing"
)

// benign is what people write every day and what pg_dump writes: all of it is ok, whether in one transaction or not.
const benign = `
set statement_timeout = '5min'
set check_function_bodies = false
select pg_catalog.set_config('search_path', '', false)
create schema if not exists shop authorization current_user
create extension if not exists pgcrypto with schema public
create type shop.state as enum ('open', 'paid')
create domain shop.label as text
create table shop.orders (id bigint generated always as identity (start with 1000) primary key, state shop.state not null default 'open'::shop.state, total numeric(12, 2) not null default 0 check (total >= 0), note character varying(200) collate "C" default ''::character varying not null, tags text[] not null default array['a', 'b']::text[], made timestamp(3) with time zone default current_timestamp(3) not null, key uuid default gen_random_uuid(), "Mixed Case" double precision, double_total numeric generated always as (total * 2) stored, constraint orders_note check (case when note is null then true else length(note) < 200 end) no inherit) with (fillfactor = 80) tablespace pg_default
create table shop.lines (order_id bigint not null references shop.orders (id) match simple on delete cascade on update no action deferrable initially deferred, no smallint, primary key (order_id, no) include (order_id), exclude using gist (no with =) where (no > 0), unique nulls not distinct (no), like shop.orders including defaults)
create table shop.archive (like shop.orders including all excluding indexes)
create table shop.events (id bigint, at timestamptz not null) partition by range (at)
create table shop.events_2026 partition of shop.events for values from ('2026-01-01 00:00:00+00') to ('2027-01-01 00:00:00+00')
create table shop.events_rest partition of shop.events default
create unlogged table shop.jobs as select 1 as id with no data
create temporary table scratch (a int) on commit drop
create sequence shop.numbers as bigint start with 1 increment by 1 no minvalue no maxvalue cache 1
alter sequence shop.numbers owned by shop.orders.id
alter table only shop.orders alter column id set statistics 500
alter table shop.orders owner to current_user
alter table only shop.archive add constraint archive_pkey primary key (id)
alter table shop.orders add column a int default 1 not null, add column b timestamptz default now(), alter column note drop default, drop constraint if exists orders_note cascade
create index on shop.orders using gin (to_tsvector('simple'::regconfig, note)) with (fastupdate = off) where state <> 'paid'
create unique index orders_key on shop.orders (lower("Mixed Case"::text) collate "C" text_pattern_ops desc nulls last, key)
create view shop.open_orders with (security_barrier) as select o.*, count(*) over (partition by o.state order by o.id rows between 1 preceding and current row) from shop.orders o left join lateral (select max(l.no) as m from shop.lines l where l.order_id = o.id) x on true where o.state = 'open' with check option
create materialized view shop.sums as select state, sum(total) filter (where total > 0) from shop.orders group by rollup (state) with data
create unique index on shop.sums (state)
create or replace function shop.touch() returns trigger language plpgsql as $body$ begin execute 'drop table x'; new.made := now(); return new; end; $body$
create trigger touch before insert or update of note, total on shop.orders for each row when (new.note is not null) execute procedure shop.touch()
create policy own on shop.orders as permissive for select to public using (true)
alter table shop.orders enable row level security
create statistics shop.stat (dependencies) on a, b from shop.orders
comment on table shop.orders is 'it''s; drop table x'
comment on column shop.orders."Mixed Case" is e'\'; truncate y'
grant select, insert (note) on all tables in schema shop to public
revoke all on table shop.orders from public
insert into shop.orders (total, note) values (1, 'update x set y = 1'), (default, U&'\0041')
insert into shop.archive select * from shop.orders where id in (select id from shop.orders limit 10)
update only shop.orders as o set note = x.v from (values (1, 'a')) as x (id, v) where o.id = x.id returning o.*
delete from shop.lines using shop.orders o where o.id = order_id and o.state = any (array['paid']::shop.state[])
with moved as (delete from shop.orders where id < 10 returning *) insert into shop.archive select * from moved
analyze shop.orders (total)
alter index shop.orders_key rename to orders_key_2
alter table shop.archive rename column note to remark
alter table shop.archive rename to old
drop table shop.old, shop.jobs cascade
drop view if exists shop.open_orders
alter type shop.state add value if not exists 'late' after 'open'
notify channel, 'x'
alter default privileges for role current_user in schema shop grant select on tables to public
`

func TestBenign(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	n := 0
	for line := range strings.Lines(strings.TrimSpace(benign)) {
		b.WriteString(strings.TrimSpace(line) + ";\n")
		n++
	}
	for _, head := range []string{"", "-- +goose NO TRANSACTION\n"} {
		_, rep := judge(t, Options{}, head+"-- +goose Up\n"+b.String())
		for _, f := range rep.Findings {
			t.Errorf("line %d: %s %s: %s", f.Line, f.Rule, f.Name, f.Message)
		}
		if rep.OK != n {
			t.Errorf("%d of %d are ok", rep.OK, n)
		}
	}
}
