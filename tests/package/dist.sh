#!/bin/bash
# SPDX-License-Identifier: ISC
# What make dist packs: every file of the source is in it, so that packages can be built and tests run from it.
. "$(dirname "$0")/lib.sh"

# Sources by their names: a tree in which things were built has other files, too.
source_files() { # DIRECTORY
	(
		cd "$1" || exit 1
		find conf contrib doc .ci .clang-format .clang-tidy COPYING README -type f ! -name '*~' |
			while read -r file; do [ -e "$file.in" ] || printf '%s\n' "$file"; done # what is made from a FILE.in is not a source
		find src tests -name '*.[ch]' -o -name '*.py' -o -name .shellcheckrc -o -name '*.list' -o -name '*.supp'
		find tests -name '*.sh' -o -name run -type f
	) | sort
}

make_alone distdir distdir="$tmp/packed" >"$tmp/log" 2>&1 || fail "make distdir: $(tail -n 20 "$tmp/log")"
[ "$(source_files "$top" | wc -l)" -gt 200 ] || fail "the source is not found"
expect_equal "what is packed" "$(source_files "$top")" "$(source_files "$tmp/packed")"
[ -x "$tmp/packed/configure" ] || wrong "configure is not packed"
pass
