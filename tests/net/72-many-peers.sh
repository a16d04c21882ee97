#!/bin/bash
# SPDX-License-Identifier: ISC
# 10,000 peers with 100,000 allowed IPs and 10,000 routes on one tunnel: it comes up, is shown, measured, reloaded, saved and
# goes, each in a time that no square of 10,000 fits in, and the one peer that is real is reached all the while.
# tests/bench/peers tells what it costs; unit/many and sim/before find single squares.
. "$(dirname "$0")/lib.sh"
need_culvert
command -v python3 >/dev/null || skip "no python3"

peers=10000 each=10

# peers_text KEEPALIVE-OF-THE-FIRST: all but the real one, which stands in the middle.
cat >"$tmp/peers.py" <<'END'
import base64, hashlib, sys
count, each, real, lines = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
for i in range(count):
    if i == count // 2:
        print(f"[Peer]\nPublicKey = {real}\n{lines}\n")
        continue
    key = base64.b64encode(hashlib.sha256(b"peer %d" % i).digest()).decode()
    prefixes = [f"10.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}/32" for n in range(i * each, i * each + each - 1)]
    print(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {', '.join(prefixes)}, fd0a:{i:x}::/64\nEndpoint = 203.0.113.{i % 250}:{1000 + i}\n")
END
peers_text() { python3 "$tmp/peers.py" "$peers" "$each" "$(public b)" "$(allowed b)"; }

write_many() { # INTERFACE-LINES: the whole file
	(umask 077; printf '[Interface]\nPrivateKey = %s\nAddress = 10.9.0.1/8, fd09::1/64\nListenPort = %s\n%b\n' \
		"$(cat "$tmp/a.key")" "$port" "$1" | cat - "$tmp/peers" >"$(conf a)")
}

# timed SECONDS COMMAND...: it must succeed in that time; how long it took is told.
timed() {
	local most=$1 begin
	shift
	begin=$(now_ms)
	must timeout "$most" "$@"
	printf '    %s: %d ms\n' "${*: -2}" $(($(now_ms) - begin))
}

resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; } # PID: kB
same_session() { expect_equal "b's handshake after $1" "$session" "$(handshake_time a b)"; }
page() { curl -sS --max-time 30 --unix-socket "$tmp/metrics.sock" http://localhost/metrics; }
device() { ip netns exec "$prefix-a" "$@"; }

step "up"
two_ends
own_names a
make_keys a b
start_device b culvert
wg_set_key b
wg_add_peer b a endpoint "$(endpoint_of a 4)"
inside b
before=$(host_state a)
peers_text >"$tmp/peers"
write_many "SaveConfig = true\nMetrics = unix:$tmp/metrics.sock"
timed 20 "$build/culvert" check "$(conf a)"
start_culvert a "$(conf a)"
begin=$(now_ms)
wait_for 40 "the tunnel comes up" up_or_gone a
running culvert-a || fail "culvert has ended, see its log"
printf '    up after %d ms\n' $(($(now_ms) - begin))
pings_both b a
pings_both a b
session=$(handshake_time a b)

step "memory"
expect_at_most "kB of the engine" 100000 "$(resident "$(engine_pid a)")"
expect_at_most "kB of the monitor" 100000 "$(resident "$(status_of a .pid)")"
printf '    engine %s kB, monitor %s kB\n' "$(resident "$(engine_pid a)")" "$(resident "$(status_of a .pid)")"

step "shown, while there is traffic"
background_in b flow ping -n -q -i 0.02 "${inside4[a]}"
expect_equal "peers in wg show" "$peers" "$(device timeout 20 wg show "$(dev a)" peers | wc -l)"
expect_equal "allowed IPs in wg show" $(((peers - 1) * each + 2)) \
	"$(device timeout 20 wg show "$(dev a)" allowed-ips | awk '{ sum += NF - 1 } END { print sum }')"
expect_equal "peers in plain wg show" "$peers" "$(device timeout 20 wg show "$(dev a)" | grep -c '^peer: ')"
timed 10 "$build/culvert" status "$(dev a)"
expect_equal "peers in culvert status" "$peers" "$(status_of a '.peers | length')"
page >"$tmp/page"
expect_equal "peers on the page of metrics" "$peers" "$(grep -c '^wireguard_received_bytes_total{' "$tmp/page")"
printf '    a page of %s bytes\n' "$(stat -c %s "$tmp/page")"

step "reload: nothing, one peer, all but one"
reload() { timed 10 ip netns exec "$prefix-a" "$build/culvert" reload "$(dev a)"; }
reload
sed -i '0,/^Endpoint = .*/s//&\nPersistentKeepalive = 25/' "$(conf a)"
reload
expect_equal "peers with a keepalive" 1 "$(shown a persistent-keepalive | grep -vc 'off$')"
cp "$(conf a)" "$tmp/all"
printf '[Peer]\nPublicKey = %s\n%s\n' "$(public b)" "$(allowed b)" >"$tmp/peers"
write_many "SaveConfig = true\nMetrics = unix:$tmp/metrics.sock"
timed 20 ip netns exec "$prefix-a" "$build/culvert" reload "$(dev a)"
expect_equal "peers" 1 "$(shown a peers | wc -l)"
cat "$tmp/all" >"$(conf a)"
timed 20 ip netns exec "$prefix-a" "$build/culvert" reload "$(dev a)"
expect_equal "peers" "$peers" "$(shown a peers | wc -l)"
same_session "the reloads"

step "set by wg, of which the file hears at the end"
"$build/culvert" strip "$(conf a)" >"$tmp/strip"
timed 20 ip netns exec "$prefix-a" wg syncconf "$(dev a)" "$tmp/strip"
same_session "syncconf"
wg_set a peer "$(public b)" persistent-keepalive 7
kill -INT "${pid_of[flow]}"
wait_for 5 "ping ends" gone flow
unset "pid_of[flow]"
expect_match "the traffic beside all this" ' [0-4](\.[0-9]*)?% packet loss' "$(cat "$tmp/flow.log")"
pings_both b a

step "down"
begin=$(now_ms)
kill "${pid_of[culvert-a]}"
wait_for 30 "culvert ends" gone culvert-a
printf '    down after %d ms\n' $(($(now_ms) - begin))
stop_culvert a
expect_equal "the new keepalive in the file" 1 "$(grep -c '^PersistentKeepalive = 7$' "$(conf a)")"
expect_equal "peers in the file" "$peers" "$(grep -c '^\[Peer\]$' "$(conf a)")"
expect_host_state a "$before" "after the tunnel"

step "a file that is too large is refused as a whole"
{ cat "$tmp/all"; head -c 17000000 /dev/zero | tr '\0' '#'; } >"$(conf a)"
refuses '16 MiB|too large|larger' timeout 20 "$build/culvert" check "$(conf a)"
pass
