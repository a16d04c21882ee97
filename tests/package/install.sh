#!/bin/bash
# SPDX-License-Identifier: ISC
# make install DESTDIR= puts everything into the conventional places and nothing else, and make uninstall takes all of
# it away. installed.list says what and where: mode, path, target of a link.
. "$(dirname "$0")/lib.sh"

# Where this tree was configured for other places, these are the conventional ones.
# shellcheck disable=SC2016 # make expands them
places=(prefix=/usr exec_prefix='${prefix}' sbindir='${exec_prefix}/sbin' datarootdir='${prefix}/share'
	datadir='${datarootdir}' mandir='${datarootdir}/man' docdir='${datarootdir}/doc/culvert')
# shellcheck disable=SC2016
for place in bashcompdir='${datadir}/bash-completion/completions' zshcompdir='${datadir}/zsh/site-functions' \
	fishcompdir='${datadir}/fish/vendor_completions.d'; do
	! grep -q "${place%%=*}=" <<<"$("$build/config.status" --config)" || places+=("$place")
done

installed() { (cd "$1" && find . ! -type d -printf '%M %P %l\n' | sed 's/ *$//' | sort -k 2); }

make_alone install DESTDIR="$tmp/all" "${places[@]}" >"$tmp/log" 2>&1 || fail "make install: $(tail -n 20 "$tmp/log")"
expect_equal "what is installed" "$(grep -v '^#' "$top/tests/package/installed.list")" "$(installed "$tmp/all")"
cmp -s "$tmp/all/usr/sbin/culvert" "$build/culvert" || wrong "sbin/culvert is not what was built"
grep -q '^culvert-device ' <<<"$("$tmp/all/usr/sbin/culvert-device" --version)" || wrong "culvert-device does not run"

make_alone uninstall DESTDIR="$tmp/all" "${places[@]}" >"$tmp/log" 2>&1 || fail "make uninstall: $(tail "$tmp/log")"
expect_equal "what make uninstall leaves" "" "$(installed "$tmp/all")"
expect_equal "folders of ours that it leaves" "" "$(find "$tmp/all" -path '*culvert*')"

# Distributions have other places.
make_alone install-data DESTDIR="$tmp/other" "${places[@]}" zshcompdir=/z bashcompdir=/b fishcompdir=/f \
	>"$tmp/log" 2>&1 || fail "make install-data: $(tail "$tmp/log")"
for file in z/_culvert b/culvert f/culvert.fish; do
	[ -f "$tmp/other/$file" ] || wrong "/$file is not installed although configure is told so"
done
pass
