#!/bin/sh
# How much of the hand-written API the journeys run: the tests of internal/api/server and internal/api/media, which talk HTTP to a
# real server on a real PostgreSQL. Prints each package and the total, and fails below the floor. Left out of the total:
#   - generated code: internal/api/openapi/{oas,client}, internal/api/postgres/db, *_gen.go;
#   - internal/api/apitest and what else ends in test: they are the tests;
#   - what decodes pictures, because it runs in processes of its own, and the stores of pictures, of which a server has one: they
#     are held to the floor by their own tests, too. Of internal/api/media/child only the parent's half could be counted.
#   - the packages of commands below: no request runs them, so no journey can. Each is held to the floor by its own tests
#     (skipped with --journeys).
set -eu
cd "$(dirname "$0")/.."

floor=80
commands="internal/api/seed internal/api/verify internal/api/indexes internal/api/media/picture internal/api/media/store"

tmp=$(mktemp -d /tmp/platctl-coverage-XXXXXX)
trap 'rm -rf "$tmp"' EXIT
module=$(go list -m)

# report PROFILE: statements run and total, by package.
report() {
	awk -v floor="$floor" -v module="$module/" '
		NR == 1 || $1 ~ /_gen\.go:/ { next }
		{
			block = $1; sub(module, "", $1); sub(/\/[^\/]*$/, "", $1)
			if (!(block in hit)) { all[$1] += $2; sum += $2; hit[block] = 0 }
			if ($3 > 0 && !hit[block]) { ran[$1] += $2; done += $2; hit[block] = 1 }
		}
		END {
			if (sum == 0) { print "no statement was measured"; exit 1 }
			for (p in all) printf "%5.1f %%  %s (%d of %d)\n", 100 * ran[p] / all[p], p, ran[p], all[p] | "sort -k3"
			close("sort -k3")
			printf "%5.1f %%  in all (%d of %d); the floor is %d\n", 100 * done / sum, done, sum, floor
			exit 100 * done < floor * sum
		}' "$1"
}

covered=$(go list ./internal/api/... | grep -vE '/openapi/(oas|client)$|/postgres/db$|test$')
for p in $commands internal/api/media/child; do
	covered=$(echo "$covered" | grep -vx "$module/$p")
done
# One after the other: pictures are decoded at low priority, and beside the server's tests on two cores they run into their time limit.
go test -p 1 -count=1 -coverpkg="$(echo "$covered" | paste -sd, -)" -coverprofile="$tmp/journeys" ./internal/api/server ./internal/api/media >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; exit 1; }
echo "Run by journeys through HTTP:"
report "$tmp/journeys"

if [ "${1:-}" = --journeys ]; then
	exit 0
fi
for p in $commands; do
	go test -count=1 -coverprofile="$tmp/own" "./$p" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
	echo "Run by its own tests:"
	report "$tmp/own"
done
