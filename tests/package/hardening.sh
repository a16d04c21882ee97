#!/bin/bash
# SPDX-License-Identifier: ISC
# What makes a bug harder to use is in the binary that was built, not only in the flags.
. "$(dirname "$0")/lib.sh"

need readelf binutils
binary=$build/culvert
flags=$(sed -n 's/^\(HARDENING_[A-Z]*\|CPPFLAGS\|CFLAGS\|SANITIZERS\) = //p' "$build/Makefile" | paste -sd ' ')
[ -x "$binary" ] || fail "$binary is not built"
grep -q '^HARDENING_CFLAGS = .' "$build/Makefile" || skip "configured with --disable-hardening"

# In no pipe: what ends early would make the others fail.
header=$(readelf -hW "$binary") segments=$(readelf -lW "$binary") dynamic=$(readelf -dW "$binary")
symbols=$(readelf --dyn-syms -W "$binary")

has() { # TEXT REGULAR-EXPRESSION WHAT
	grep -qE -- "$2" <<<"$1" || wrong "$3"
}
has_not() { ! grep -qE -- "$2" <<<"$1" || wrong "$3"; }

has "$header" 'Type: +DYN' "the program is not loaded at a random address: not PIE"
has "$dynamic" 'FLAGS_1.*PIE' "no PIE, but a library"
has "$segments" 'GNU_RELRO' "no RELRO: tables of pointers stay writable"
has "$dynamic" '\(FLAGS\).*BIND_NOW|FLAGS_1.*NOW' "RELRO is not full: the procedure linkage table stays writable"
has_not "$dynamic" 'TEXTREL' "code is relocated, and so writable while it starts"
has "$segments" 'GNU_STACK.* RW +0x' "the stack can be executed"
has_not "$segments" 'LOAD.* (RWE|WE) ' "a segment is writable and executable"
has "$symbols" '__stack_chk_(fail|guard)' "no stack protector"
[[ $flags != *_FORTIFY_SOURCE=[23]* ]] || has "$symbols" '__[a-z]+_chk' "nothing is checked by _FORTIFY_SOURCE"

# The start files of a distribution may lack the mark, and then the whole program does: our objects have it.
marked() { # MARK
	local archive notes
	for archive in core engine host cli; do
		notes=$(readelf -nW "$build/lib$archive.a")
		[ "$(grep -c '^File:' <<<"$notes")" = "$(grep -c "feature.*: .*$1" <<<"$notes")" ] ||
			wrong "not all objects of lib$archive.a have the mark $1"
	done
}
[[ $flags != *-fcf-protection* ]] || { marked IBT; marked SHSTK; }
[[ $flags != *-mbranch-protection* ]] || { marked BTI; marked PAC; }

# Large frames are taken page by page, each touched (x86, where one instruction shows it).
touches_pages() {
	local code
	# shellcheck disable=SC2016 # dollars of the assembler's
	code=$(objdump -d --no-show-raw-insn "$binary" | grep -A 1 'sub  *\$0x1000,%rsp') || return 0
	# shellcheck disable=SC2016
	[ "$(grep -c 'sub ' <<<"$code")" = "$(grep -cE '(or|mov)q? +\$0x0,' <<<"$code")" ]
}
[[ $flags != *-fstack-clash-protection* ]] || touches_pages || wrong "large frames skip the guard page"

# What compilers have by themselves would hide that configure took none.
for flag in -fPIE -pie -z,relro,-z,now -fstack-protector-strong; do
	[[ " $flags " == *"$flag"* ]] || wrong "configure did not take $flag"
done
pass
