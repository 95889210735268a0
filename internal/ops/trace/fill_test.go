package trace

import (
	"fmt"
	"strings"
	"testing"
)

// A schema with what real ones have is filled; what can't be is told, with PostgreSQL's reason.
func TestFill(t *testing.T) {
	t.Parallel()
	conn := connect(t, server(t))
	exec(t, conn, `
		create schema shop; create type shop.mood as enum ('sad', 'glad'); create domain shop.price as bigint check (value >= 0);
		create table shop.orders (id bigint generated always as identity primary key, farm_id bigint not null, state text not null check (state in ('new', 'paid')));
		create table farms (id bigint primary key, code char(4) unique not null, name varchar(3) not null, mood shop.mood not null, price shop.price not null,
			at timestamptz not null, tags text[] not null, extra jsonb not null, key uuid unique not null, raw bytea not null, ok boolean not null, ip inet not null,
			period tstzrange not null, ratio double precision not null, size smallint not null, day date not null, total bigint generated always as (id * 2) stored);
		alter table shop.orders add foreign key (farm_id) references farms;
		create table lines (order_id bigint references shop.orders, n int, primary key (order_id, n));
		create table parts (order_id bigint, n int, note text, foreign key (order_id, n) references lines, primary key (order_id, n));
		create table tree (id int primary key, parent_id int not null references tree, other_id int references tree);
		create table follows (a bigint not null references farms, b bigint not null references farms, seen pg_snapshot not null, lsn pg_lsn not null,
			email text not null check (email like '%_@_%'), hash bytea not null check (length(hash) = 32), currency text not null check (currency ~ '^[A-Z]{3}$'),
			place smallint not null check (place between 0 and 3), primary key (a, b), check (a <> b));
		create table nothing ();
		create table events (at timestamptz not null, id int) partition by range (at);
		create table events_1 partition of events for values from ('2026-01-01') to ('2027-01-01');
		create table fussy (id int primary key, even int not null check (even % 2 = 0 and even < 0));
		create table lonely (fussy_id int not null references fussy);
		create table has (id int); insert into has values (7);
		create function boom() returns trigger language plpgsql as $$ begin raise 'boom'; end $$;
		create trigger boom before insert on farms for each row execute function boom();`)
	unfilled, err := fill(t.Context(), conn, 50)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(unfilled); len(unfilled) != 2 || !strings.Contains(got, "fussy_even_check") || !strings.Contains(got, "{lonely a table that it refers to is empty}") {
		t.Errorf("%s", got)
	}
	for table, want := range map[string]int{"shop.orders": 50, "farms": 50, "lines": 50, "parts": 50, "tree": 50, "follows": 50, "nothing": 50, "events": 50, "fussy": 0, "has": 1} {
		var n int
		if err := conn.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows, expected %d; %v", table, n, want, err)
		}
	}
	var broken int
	if err := conn.QueryRow(t.Context(), "select count(*) from parts p left join lines l using (order_id, n) where l.n is null").Scan(&broken); err != nil || broken > 0 {
		t.Errorf("%d rows refer to nothing; %v", broken, err)
	}
	exec(t, conn, "alter table shop.orders add foreign key (farm_id) references farms")
}
