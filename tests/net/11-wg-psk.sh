#!/bin/bash
# SPDX-License-Identifier: ISC
# WireGuard dialect: pre-shared keys that match, differ, change and go; a private key that changes.
# runs: culvert:go go:culvert culvert:culvert culvert:go-old
. "$(dirname "$0")/lib.sh"
need_program "$1" && need_program "$2"

new_sessions() { # the engines forget their sessions, the settings stay
	restart_devices "$1" "$2"
	wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
}

two_ends
two_devices "$1" "$2"
(umask 077; wg genpsk >"$tmp/psk1"; wg genpsk >"$tmp/psk2")

step "the same pre-shared key"
wg_set a peer "$(public b)" preshared-key "$tmp/psk1" endpoint "$(endpoint_of b 4)"
wg_set b peer "$(public a)" preshared-key "$tmp/psk1"
pings_both a b
expect_equal "the key that is shown" "$(cat "$tmp/psk1")" "$(shown a preshared-keys b)"

step "different ones: nothing passes"
new_sessions "$1" "$2"
wg_set a peer "$(public b)" preshared-key "$tmp/psk1"
wg_set b peer "$(public a)" preshared-key "$tmp/psk2"
never_within 3 "a ping with different keys" ping_once a "${inside4[b]}"
has_handshake a b && fail "a handshake with different pre-shared keys"

step "one end without: nothing passes"
new_sessions "$1" "$2"
wg_set b peer "$(public a)" preshared-key "$tmp/psk2"
never_within 3 "a ping with one key" ping_once a "${inside4[b]}"

step "cleared again: passes"
wg_set b peer "$(public a)" preshared-key /dev/null
pings a "${inside4[b]}" 8

step "a gets a new private key: b knows it first as a stranger, then as a peer"
make_keys c
cp "$tmp/c.key" "$tmp/a.key"
old=$(public a)
cp "$tmp/c.pub" "$tmp/a.pub"
wg_set_key a
never_within 2 "a ping with an unknown key" ping_once a "${inside4[b]}"
wg_set b peer "$old" remove
wg_add_peer b a
pings a "${inside4[b]}" 12
pass
