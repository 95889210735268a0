#!/bin/sh
# Makes sure that PostgreSQL server binaries, 15 or newer, are on this machine: installs the distribution's when root or
# sudo can, else prints the exact command. It starts no server; platctl runs a private one.
set -eu

newest() {
	for dir in $(echo "$PATH" | tr : ' ') /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
			"$dir/postgres" --version | sed -n 's/.* \([0-9][0-9]*\)[.a-z].*/\1/p'
		fi
	done | sort -n | tail -n 1
}

have=$(newest)
if [ "${have:-0}" -ge 15 ]; then
	exit 0
fi

install="apt-get install -y --no-install-recommends postgresql"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "PostgreSQL 15 or newer is missing; install its server with this system's package manager." >&2
	exit 1
fi
echo "PostgreSQL 15 or newer is missing; installing the distribution's." >&2
if [ "$(id -u)" -eq 0 ]; then
	apt-get update -q && $install
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	sudo apt-get update -q && sudo $install
else
	echo "This user can't install packages. As an administrator run:" >&2
	echo "    sudo apt-get update && sudo $install" >&2
	exit 1
fi
have=$(newest)
if [ "${have:-0}" -lt 15 ]; then
	echo "The distribution's PostgreSQL is version ${have:-unknown}; platctl needs 15 or newer." >&2
	exit 1
fi
