#!/bin/bash
# SPDX-License-Identifier: ISC
# culvert status: every state as it is really reached, exit statuses, the JSON's form, --watch.
. "$(dirname "$0")/lib.sh"
need_culvert

status() { ns a "$build/culvert" status "$@"; }
state_of() { status_of a ".peers[] | select(.name == \"$1\") | .$2"; } # PEER'S-NAME MEMBER
state_is() { [ "$(state_of "$1" state)" = "$2" ]; }
exit_status() { status "$@" >/dev/null 2>&1; printf '%s' $?; }
exits_with() { [ "$(exit_status "$(dev a)")" = "$1" ]; }
shows() { grep -qE -- "$1" <<<"$(status "$(dev a)")"; }
peer() { printf '%s\nPublicKey = %s\nAllowedIPs = %s' "$1" "$2" "$3"; } # NAME-LINE KEY PREFIXES
some_key() { wg genkey | wg pubkey; }

two_ends
own_names a
make_keys a b
before=$(host_state a)
expect_equal "exit status of a tunnel that does not run" 3 "$(exit_status "$(dev a)")"
expect_equal "exit status for a wrong option" 2 "$(exit_status --jason)"
expect_equal "exit status for a wrong number" 2 "$(exit_status --watch=0)"

step "states, as they are reached"
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
write_conf a "PrivateKeyFile = a.key" \
	"$(peer "# friendly_name = site b" "$(public b)" "${inside4[b]}/32, ${inside6[b]}/128")\nEndpoint = $(endpoint_of b 4)" \
	"$(peer "Name = away" "$(some_key)" "10.80.0.0/24")\nPersistentKeepalive = 25"
start_culvert b "$(conf b)"
bring_up a
wait_tunnel b
begin=$(date +%s)
expect_equal "site b at first" never "$(state_of "site b" state)"
expect_equal "a peer that calls us" never "$(state_of away state)"
expect_at_most "seconds since then" 10 $((begin - $(state_of away since)))
expect_equal "exit status, nothing asked yet" 0 "$(exit_status "$(dev a)")"
pings a "${inside4[b]}"
expect_equal "site b after a ping" up "$(state_of "site b" state)"
expect_at_least "since" "$begin" "$(state_of "site b" since)"
expect_equal "exit status, up" 0 "$(exit_status "$(dev a)")"
expect_match "round trip time" '^0\.[0-9]+$' "$(state_of "site b" rtt)"
expect_match "loss" '^0(\.0*)?$' "$(state_of "site b" loss)"
expect_equal "cipher" chacha20-poly1305 "$(state_of "site b" session_cipher)"
wait_for 5 "the line of site b" shows "site b +up for [0-9]+ s +${outside4[b]}:$port .* [0-9.]+ ms / 0 %"
wait_for 5 "the line of who is away" shows "away +never for [0-9]+ s +- "
wait_for 5 "the MTU and why" shows 'MTU 1420: 1500 of device wan'
wait_for 5 "the routes" shows 'routes: 1, table auto'

step "nobody at the other end, and a name that does not resolve"
stop_culvert a
write_conf a "PrivateKeyFile = a.key" \
	"$(peer "Name = silent" "$(some_key)" "10.81.0.0/24")\nEndpoint = $(endpoint_of b 4 40404)"
bring_up a
expect_equal "exit status, not asked yet" 0 "$(exit_status "$(dev a)")"
ns a ping -n -c 1 -W 1 10.81.0.1 >/dev/null 2>&1
wait_for 5 "the silent one" state_is silent handshaking
expect_at_least "since" "$begin" "$(state_of silent since)"
expect_equal "exit status, a peer that does not answer" 4 "$(exit_status "$(dev a)")"
write_conf a "PrivateKeyFile = a.key" \
	"$(peer "Name = nameless" "$(some_key)" "10.82.0.0/24")\nEndpoint = gone.example.net:$port"
must ns a "$build/culvert" reload "$(dev a)"
wait_for 5 "a name without an address" state_is nameless unresolved
expect_equal "exit status, unresolved" 4 "$(exit_status "$(dev a)")"
wait_for 15 "why the name does not resolve" shows "gone\.example\.net:$port: .+"
stop_culvert a

step "stale: the session's time is over"
write_pair "Endpoint = $(endpoint_of b 4)\nName = b" ""
bring_up a
pings a "${inside4[b]}"
expect_equal "a session" up "$(state_of b state)"
# Who asks has a clock that is 200 s ahead: nobody has to wait that long.
cat >"$tmp/ahead.c" <<'END'
#include <stddef.h>
#include <time.h>
time_t time(time_t *to)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += 200;
	if (to)
		*to = now.tv_sec;
	return now.tv_sec;
}
END
must cc -shared -fPIC -o "$tmp/ahead.so" "$tmp/ahead.c"
ahead() { ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$tmp/ahead.so "$build/culvert" status "$@" "$(dev a)"; }
expect_equal "200 s later" stale "$(ahead --json | jq -r '.tunnels[0].peers[0].state')"
ahead >/dev/null
expect_equal "exit status, stale for want of traffic" 0 $?
must sed -i "s/^Name = b/&\nPersistentKeepalive = 25/" "$(conf a)"
must ns a "$build/culvert" reload "$(dev a)"
ahead >/dev/null
expect_equal "exit status, stale although it is to be kept alive" 4 $?

step "a peer that dies while there is a session"
must sed -i "s/^PersistentKeepalive = 25/PersistentKeepalive = 1/" "$(conf a)"
must ns a "$build/culvert" reload "$(dev a)"
expect_equal "exit status with a living peer" 0 "$(exit_status "$(dev a)")"
stop_culvert b
background_in a traffic ping -n -q -i 0.2 "${inside4[b]}"
wait_for 40 "the dead one" state_is b handshaking
expect_equal "exit status, a peer that has died" 4 "$(exit_status "$(dev a)")"
wait_for 10 "a line in the log" has_logged a ": b, .*: no answer to our handshakes for 10 seconds"
bring_up b
wait_for 20 "b again" state_is b up
expect_equal "exit status, it is back" 0 "$(exit_status "$(dev a)")"
stop_background traffic INT
must sed -i "s/^PersistentKeepalive = 1/PersistentKeepalive = 25/" "$(conf a)"
must ns a "$build/culvert" reload "$(dev a)"

step "the form of --json"
status --json "$(dev a)" >"$tmp/status.json" || fail "culvert status --json: exit status $?"
jq -e '
	def is(t): type == t; def maybe(t): type == t or . == null;
	.version == 1 and (.time | is("number")) and (.tunnels | length == 1) and (.tunnels[0] |
		(.name, .state, .device, .config, .mtu_why, .table | is("string")) and
		(.degraded, .shared_key | is("boolean")) and
		(.pid, .since, .mtu, .listen_port, .routes | is("number")) and
		(.last_error, .network_changed, .clock_behind, .fwmark | . == null) and
		(.peers | length == 1) and (.peers[0] |
			(.public_key, .name, .state, .endpoint, .cipher, .session_cipher | is("string")) and
			(.since, .last_handshake, .rx_bytes, .tx_bytes, .rtt, .loss | is("number")) and
			(.last_error, .resolve_error | maybe("string")) and
			(.allowed_ips | length == 2)))' "$tmp/status.json" >/dev/null ||
	fail "the JSON is not as culvert(8) has it: $(cat "$tmp/status.json")"

step "--watch: block after block, on a terminal over each other, until Ctrl-C"
background_in a watch "$build/culvert" status --watch 1 "$(dev a)"
blocks() { [ "$(grep -c ": up since " "$tmp/watch.log")" -ge "$1" ]; }
wait_for 10 "three blocks" blocks 3
stop_background watch INT
expect_equal "exit status of --watch after Ctrl-C" 0 $?
! grep -q $'\033' "$tmp/watch.log" || fail "escape sequences go into a file"
background_in a watch-json "$build/culvert" status --json --watch 1 "$(dev a)"
objects() { [ "$(jq -s length "$tmp/watch-json.log")" -ge 2 ]; }
wait_for 10 "two objects" objects
stop_background watch-json INT
background_in a watch-tty script -qec "$build/culvert status --watch $(dev a)" /dev/null
redrawn() { [ "$(grep -c $'^\033\\[H\033\\[J' "$tmp/watch-tty.log")" -ge 2 ]; }
wait_for 10 "it is redrawn" redrawn
kill_hard watch-tty
stop_both
expect_host_state a "$before" "after that"
pass
