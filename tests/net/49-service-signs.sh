#!/bin/bash
# SPDX-License-Identifier: ISC
# As a service: the peers in the status line, and signs of life while a reload waits for a slow helper.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/manager.sh"
need_culvert

two_ends
make_keys a b
own_host
start_manager
peers=("Name = berlin\nPublicKey = $(public b)\n$(allowed b)\nEndpoint = $(endpoint_of b 4)\nPersistentKeepalive = 1"
	"Name = paris\nPublicKey = $(wg genkey | wg pubkey)")
write_conf a "PrivateKeyFile = a.key" "${peers[@]}"
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"

# Ours before the host's: a resolver's helper that takes its time.
# shellcheck disable=SC2016 # the helper expands it
printf '#!/bin/sh\n[ "$1" != -a ] || PATH=/usr/bin:/bin sleep 8\n' >"$host_bin/resolvconf"
chmod 755 "$host_bin/resolvconf"

step "the peers in the status line, when they change"
NOTIFY_SOCKET=$tmp/notify WATCHDOG_USEC=3000000 start_on_own_host a "$(conf a)"
wait_for 10 "READY" told '^READY=1'
wait_for 15 "a peer that does not answer" told \
	"^STATUS=$(dev a) is up, MTU [0-9]+; 0 of 2 peers up; berlin: handshaking since [0-9:]{8}$"
count=$(grep -c '^STATUS=.*handshaking' "$tmp/manager")
start_culvert b "$(conf b)"
wait_for 25 "it answers" told "^STATUS=$(dev a) is up, MTU [0-9]+; 1 of 2 peers up$"
expect_equal "lines about the one change" 1 "$count"
pings a "${inside4[b]}"

step "a reload that waits for a slow helper: signs of life to the watchdog and to who asked"
: >"$tmp/manager"
write_conf a "PrivateKeyFile = a.key\nDNS = 10.9.0.2" "${peers[@]}"
begin=$(now_ms)
background asks bash -c "printf 'reload\n' | socat -t 30 - UNIX-CONNECT:/run/culvert/$(dev a).sock"
must "$build/culvert" reload "$(dev a)"
expect_at_least "milliseconds of the reload" 8000 $(($(now_ms) - begin))
wait_for 5 "the answer" grep -q '^result=ok' "$tmp/asks.log"
expect_match "the answer" '^(waiting=yes )+result=ok' "$(paste -sd ' ' "$tmp/asks.log")"
wait_for 5 "READY" told '^READY=1'
expect_at_least "signs of life between RELOADING and READY" 4 \
	"$(sed -n '/^RELOADING/,/^READY/p' "$tmp/manager" | grep -c '^WATCHDOG=1')"
expect_equal "what sets DNS" resolvconf "$(status_of a .dns.backend)"
pings a "${inside4[b]}"
stop_both
pass
