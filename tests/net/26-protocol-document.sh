#!/bin/bash
# SPDX-License-Identifier: ISC
# An end that was written from doc/PROTOCOL alone, in Python, does handshakes and pings with culvert: with a shared key,
# with Ethernet frames, with public keys.
# runs: shared ethernet public
. "$(dirname "$0")/lib.sh"
need_culvert
# python3-minimal of Debian lacks hmac.
python3 -c 'import base64, hashlib, hmac, select, socket' 2>/dev/null || skip "no python3 with its standard library"

python_ready() { grep -q '^ready$' "$tmp/python-$1.log"; }

# stranger KIND: the Python end in a, which must be there before culvert in b sends its first message.
stranger() {
	background_in a "python-$1" python3 -B "$(dirname "$0")/26-protocol-document.py" "$1" "$tmp"
	wait_for 10 "the Python end listens" python_ready "$1"
	bring_up b
	wait_for 60 "the Python end is done" gone "python-$1"
	wait "${pid_of[python-$1]}" || fail "the Python end: $(tail -n 1 "$tmp/python-$1.log")"
	unset "pid_of[python-$1]"
}

shared_case() {
	write_shared 4 "\nMTU = 1420"
	sed -i '/^Endpoint/a Cipher = chacha20-poly1305' "$(conf b)"
	stranger shared
}

ethernet_case() {
	write_shared 4 "\nMode = tap"
	sed -i '/^Endpoint/a Cipher = chacha20-poly1305' "$(conf b)"
	stranger ethernet
}

public_case() {
	local line="Cipher = chacha20-poly1305\nPresharedKeyFile = psk.key\nEndpoint ="

	make_keys a b
	(umask 077; "$build/culvert" genpsk >"$tmp/psk.key")
	write_pair "$line $(endpoint_of b 4)" "$line $(endpoint_of a 4)"
	stranger public
	wait_for 5 "a log line about the other dialect" has_logged b 'Cipher = auto'
}

two_ends
"$1_case"
stop_culvert b
pass
