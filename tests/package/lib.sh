# shellcheck shell=bash
# SPDX-License-Identifier: ISC
# What the tests of installation and packaging share. They need neither root nor a network; make check runs them with
# srcdir and builddir set.
set -u -o pipefail
export LC_ALL=C
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd) || exit 1
# shellcheck disable=SC2034 # for the tests
build=$(cd "${builddir:-$top}" && pwd) || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failures=0

# Says what is wrong; the test goes on, and pass will make it fail.
wrong() {
	printf 'wrong: %s\n' "$*"
	failures=$((failures + 1))
}

fail() {
	printf 'failed: %s\n' "$*"
	exit 1
}

# The reason is the log's last line: tests/run shows it.
skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

pass() {
	[ "$failures" = 0 ] || fail "$failures differences"
	exit 0
}

need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || skip "$1 is not installed (apt-get install $2)"
}

# Two texts, line by line.
expect_equal() { # WHAT EXPECTED FOUND
	[ "$2" = "$3" ] && return
	wrong "$1 (- expected, + found)"
	diff -u <(printf '%s\n' "$2") <(printf '%s\n' "$3") | sed 1,2d
}

# make for itself: not as a part of the make that runs this test.
make_alone() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u DESTDIR make -s -C "$build" "$@"; }
