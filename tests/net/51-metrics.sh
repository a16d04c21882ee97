#!/bin/bash
# SPDX-License-Identifier: ISC
# Metrics = : a page for Prometheus, by a process without privileges and keys, which comes and goes with the tunnel.
. "$(dirname "$0")/lib.sh"
need_culvert

socket() { printf '%s/metrics.sock' "$tmp"; }
page() { curl -sS --max-time 10 --unix-socket "$(socket)" http://localhost/metrics; }
page_at() { ns a curl -sS --max-time 10 "http://$1/metrics"; }
served() { page >/dev/null 2>&1; }
# value NAME LABELS-REGEX: of one sample.
value() { page | awk -v name="$1" -v labels="$2" 'index($0, name "{") == 1 && $0 ~ labels { print $NF }'; }
metrics_pid() { pgrep -P "$(status_of a .pid)" -x culvert-metrics; }
not_served() { ! served; }
counts() { [ "$(value "$1" "$2")" -ge "$3" ]; }

# Whether a process has one of the keys in its memory.
holds_a_key() { python3 "$top/tests/net/holds.py" "$1" "$psk" "$(cat "$tmp/a.key")"; }

two_ends
own_names a
chmod 711 "$tmp"
before=$(host_state a)
make_keys a b
psk=$(wg genpsk)
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\nPresharedKey = $psk\n$(allowed a)"
write_conf a "PrivateKeyFile = a.key\nMetrics = unix:$(socket)" \
	"PublicKey = $(public b)\nPresharedKey = $psk\n$(allowed b)\nEndpoint = $(endpoint_of b 4)\n# friendly_name = Zoë's \"site\" \\\\ b" \
	"PublicKey = $(wg genkey | wg pubkey)\nEndpoint = gone.example.net:1"
start_both
pings_both a b

step "the page, and that its values are those of wg"
wait_for 5 "the page is served" served
sent=$(transmitted a b)
got=$(received a b)
page >"$tmp/page"
of_b="public_key=\"$(public b | sed 's/[+]/[+]/g')\",allowed_ips=\"${inside4[b]}/32,${inside6[b]}/128\",friendly_name="
expect_equal "bytes sent" "$sent" "$(value wireguard_sent_bytes_total "$of_b")"
expect_equal "bytes received" "$got" "$(value wireguard_received_bytes_total "$of_b")"
expect_equal "last handshake" "$(handshake_time a b)" "$(value wireguard_latest_handshake_seconds "$of_b")"
expect_equal "samples of bytes sent" 2 "$(grep -c '^wireguard_sent_bytes_total{' "$tmp/page")"
expect_equal "a quoted name" 1 \
	"$(grep -c '^wireguard_sent_bytes_total{.*friendly_name="Zoë'\''s \\"site\\" \\\\ b"} ' "$tmp/page")"
expect_match "round trip time" '^0\.[0-9]+$' "$(value culvert_rtt_seconds "$of_b")"
expect_equal "sessions" 1 "$(value culvert_sessions_total .)"
wait_for 20 "a look-up that fails is counted" counts culvert_lookup_failures_total . 1
expect_match "type of the page" 'text/plain; version=0.0.4' \
	"$(curl -sI --unix-socket "$(socket)" http://localhost/metrics | grep -i ^content-type)"
expect_equal "no such page" 404 \
	"$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$(socket)" http://localhost/secret)"
expect_match "another method" '^(405|501)$' \
	"$(curl -s -o /dev/null -w '%{http_code}' -X DELETE --unix-socket "$(socket)" http://localhost/metrics)"
expect_equal "a body" 413 \
	"$(curl -s -o /dev/null -w '%{http_code}' -d x --unix-socket "$(socket)" http://localhost/metrics)"
expect_equal "lines that are no comment and no sample" 0 \
	"$(grep -cvE '^# (HELP|TYPE) [a-z_]+ .+$|^[a-z_]+\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\} [0-9.]+$' "$tmp/page")"
if command -v promtool >/dev/null; then
	must promtool check metrics <"$tmp/page"
fi

step "the dashboard asks for what there is"
jq -r '.panels[].targets[].expr' "$top/contrib/grafana/culvert.json" | grep -oE '(wireguard|culvert)_[a-z_]+' | sort -u >"$tmp/asked"
expect_at_least "metrics that it asks for" 15 "$(wc -l <"$tmp/asked")"
expect_equal "metrics of the dashboard that are not on the page" "" \
	"$(comm -23 "$tmp/asked" <(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$tmp/page" | sort -u))"

step "what happens is counted"
ns b bash -c "printf 'nonsense that is no message' >/dev/udp/${outside4[a]}/$port"
wait_for 5 "a malformed datagram" counts culvert_drops_total malformed 1
(umask 077; wg genpsk >"$tmp/other.psk")
wg_set a peer "$(public b)" preshared-key "$tmp/other.psk"
ns a ping -n -c 1 -W 1 "${inside4[b]}" >/dev/null 2>&1
wait_for 5 "a handshake with another psk" counts culvert_handshake_failures_total bad_response 1
printf '%s\n' "$psk" >"$tmp/psk"
wg_set a peer "$(public b)" preshared-key "$tmp/psk"
pings a "${inside4[b]}" 10

step "the process has neither privileges nor keys"
pid=$(metrics_pid)
[ -n "$pid" ] || fail "there is no process culvert-metrics"
expect_match "its user" '^[1-9][0-9]*$' "$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status")"
expect_equal "its capabilities" 0000000000000000 "$(awk '$1 == "CapEff:" { print $2 }' "/proc/$pid/status")"
for secret in "$psk" "$(cat "$tmp/a.key")"; do
	! grep -qF -- "$secret" "$tmp/page" || fail "a secret is on the page"
done
holds_a_key "$(engine_pid a)" || fail "the engine has no key, or nobody can find it"
! holds_a_key "$pid" || fail "a key is in the memory of the metrics process"

step "its death is said and costs nothing else; down leaves nothing"
kill -ABRT "$pid"
wait_for 5 "the log says it" has_logged a 'the metrics process was killed by signal 6'
expect_equal "the tunnel" running "$(status_of a .state)"
stop_culvert a
[ ! -e "$(socket)" ] || fail "the socket is still there"
bring_up a
wait_for 5 "the page is served" served
kill_hard culvert-a
wait_for 5 "nobody serves the page after kill -9" not_served
bring_up a
wait_for 5 "the page is served in place of what was left" served
stop_culvert a

step "a port of the loopback device"
for place in 127.0.0.1:9586 '[::1]:9586'; do
	sed -i "s|^Metrics.*|Metrics = $place|" "$(conf a)"
	bring_up a
	expect_match "the page" 'wireguard_sent_bytes_total' "$(page_at "$place")"
	stop_culvert a
done

step "more connections than it has room for; it goes on when they have gone"
sed -i "s|^Metrics.*|Metrics = 127.0.0.1:9586|" "$(conf a)"
bring_up a
background_in a crowd python3 -c '
import socket, time
crowd = [socket.create_connection(("127.0.0.1", 9586)) for i in range(70)]
print("all are there", flush=True)
time.sleep(60)'
wait_for 5 "a crowd" grep -q 'all are there' "$tmp/crowd.log"
descriptors() { [ "$(find "/proc/$(metrics_pid)/fd" -mindepth 1 | wc -l)" -ge 64 ]; }
wait_for 5 "no descriptors left" descriptors
kill_hard crowd
page_is_served() { page_at 127.0.0.1:9586 | grep -q '^culvert_info'; }
wait_for 10 "the page is served again" page_is_served
stop_culvert a

step "a port that is taken ends the start"
background_in a taken socat TCP6-LISTEN:9586,bind='[::1]',fork EXEC:true
wait_for 5 "the port is taken" tcp_listening a 9586
sed -i "s|^Metrics.*|Metrics = [::1]:9586|" "$(conf a)"
refuses 'Metrics = \[::1\]:9586: cannot listen there: .*another program' ns a timeout 20 "$build/culvert" run "$(conf a)"
stop_background taken
expect_host_state a "$before" "after that"
stop_culvert b
pass
