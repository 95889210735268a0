#!/bin/sh
# Makes sure that a Redis or a Valkey server is on this machine, for the tests of limits that servers share through one: installs the
# distribution's when root or sudo can. Without it those tests are skipped, so what can't be installed is said and fails nothing.
# It starts no server; each test runs its own.
set -u

if command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "No redis-server and no valkey-server; the tests that need one are skipped. Install one with this system's package manager." >&2
	exit 0
fi
as=""
if [ "$(id -u)" -ne 0 ]; then
	as="sudo -n"
fi
echo "redis-server is missing; installing the distribution's." >&2
if ! { $as apt-get update -q && $as apt-get install -y --no-install-recommends redis-server; }; then
	echo "It can't be installed; the tests that need it are skipped. As an administrator run:" >&2
	echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends redis-server" >&2
fi
