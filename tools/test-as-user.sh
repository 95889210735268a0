#!/bin/sh
# As root: runs the tests that start PostgreSQL and other processes a second time, as the user nobody. Platctl behaves
# differently there: it runs the server as itself and keeps its state below HOME. For everybody else `make test` is that.
set -eu

if [ "$(id -u)" -ne 0 ]; then
	exit 0
fi
packages="internal/base/localpg internal/base/pg/pgtest internal/ops/migrate internal/ops/process internal/ops/edge internal/ops/deploy internal/api/account/argon internal/api/media/child internal/api/media/store"

tmp=$(mktemp -d /tmp/platctl-user-XXXXXX)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/tree" "$tmp/home"
git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$tmp/tree"
for p in $packages; do
	go test -c -o "$tmp/tree/$p/run.test" "./$p"
done
(cd tools/s3 && go build -ldflags '-s -w' -o "$tmp/s3" .)
chmod -R a+rX "$tmp"
chown -R nobody "$tmp/home" "$tmp/tree"
for p in $packages; do
	printf '%s as nobody: ' "$p"
	(cd "$tmp/tree/$p" && runuser -u nobody -- env HOME="$tmp/home" XDG_CACHE_HOME="$tmp/home/.cache" TMPDIR=/tmp PLATCTL_TEST_S3="$tmp/s3" ./run.test)
done
