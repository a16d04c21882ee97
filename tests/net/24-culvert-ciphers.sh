#!/bin/bash
# SPDX-License-Identifier: ISC
# The culvert dialect with public keys: each cipher, auto, and ends that disagree and say so.
. "$(dirname "$0")/lib.sh"
need_culvert

cipher_of() { status_of "$1" .peers[0].session_cipher; }

# works LINES-A LINES-B [CIPHER]: both up, talking, by that cipher; then down.
works() {
	write_pair "$1\nEndpoint = $(endpoint_of b 4)" "$2"
	start_both
	pings_both a b
	tcp_both_ways a b "${inside4[b]}"
	every_size a b "${inside4[b]}" 300
	expect_equal "the cipher at b" "${3:-$(cipher_of a)}" "$(cipher_of b)"
	expect_equal "the cipher at a" "$(cipher_of b)" "$(cipher_of a)"
	stop_both
}

# disagrees LINES-A LINES-B REGEX: nothing passes, and one of the ends logs the line to change, once.
disagrees() {
	: >"$tmp/culvert-a.log"
	: >"$tmp/culvert-b.log"
	write_pair "$1\nEndpoint = $(endpoint_of b 4)" "$2"
	start_both
	never_within 2 "a ping between ends that disagree" ping_once a "${inside4[b]}"
	ping_once a "${inside4[b]}"
	wait_for 7 "a log line that names the setting" at_least_one_logged "$3"
	expect_at_most "such lines at a" 1 "$(logged a "$3")"
	expect_at_most "such lines at b" 1 "$(logged b "$3")"
	stop_both
}
at_least_one_logged() { has_logged a "$1" || has_logged b "$1"; }

usable() { # CIPHER: whether this machine and build have it
	write_pair "Cipher = $1" "Cipher = $1"
	"$build/culvert" check "$(conf a)" >/dev/null 2>&1
}

two_ends
step "auto"
works "Cipher = auto" "Cipher = auto"
tested=0
for cipher in chacha20-poly1305 aes-256-gcm aegis-128l aegis-256; do
	usable "$cipher" || {
		step "$cipher: not on this machine"
		continue
	}
	step "$cipher, by name and against auto"
	works "Cipher = $cipher" "Cipher = $cipher" "$cipher"
	works "Cipher = auto" "Cipher = $cipher" "$cipher"
	tested=$((tested + 1))
	last=$cipher
done
expect_at_least "ciphers tested" 1 "$tested"

step "one end in the WireGuard dialect"
disagrees "Cipher = auto" "" 'Cipher = auto'
disagrees "" "Cipher = auto" 'Cipher = auto'
if [ "$last" != chacha20-poly1305 ]; then
	step "different ciphers"
	disagrees "Cipher = chacha20-poly1305" "Cipher = $last" 'Cipher = auto'
	disagrees "Cipher = $last" "Cipher = chacha20-poly1305" 'Cipher = auto'
fi
pass
