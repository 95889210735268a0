package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A page of reports looks up what it shows, in the order of an index: it sorts nothing, and reads no table whole to find out
// what is there still.
func TestReportsArePlannedByLookUps(t *testing.T) {
	t.Parallel()
	conn := townOf(t)
	ctx := t.Context()
	if _, err := conn.Exec(ctx, `
		insert into reports (reporter_id, target_kind, target_id, subject_id, reason, snapshot, resolved_at, resolution, resolution_reason)
		select 1 + i % 60, (array['user', 'post', 'comment'])[1 + i % 3], 1 + i % 60, 1 + i % 60, 'spam', 'x',
		       case when i > 50 then now() end, case when i > 50 then 'dismissed' end, case when i > 50 then 'no' end
		from generate_series(1, 20000) i;
		analyze reports; set plan_cache_mode = force_generic_plan`); err != nil {
		t.Fatal(err)
	}
	all := queries(t)
	for name, args := range map[string]string{"ListOpenReports": "(3, 0, 21)", "ListResolvedReports": "(3, 9223372036854775807, 21)"} {
		if _, err := conn.Exec(ctx, "prepare "+name+" as "+all[name]); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(ctx, "explain (verbose, costs off) execute "+name+args)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan := strings.Join(lines, "\n")
		if err != nil || strings.Contains(plan, "hashed SubPlan") || strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan on public.reports") {
			t.Errorf("%s: %v\n%s", name, err, plan)
		}
	}
}
