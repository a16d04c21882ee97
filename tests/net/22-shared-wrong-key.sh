#!/bin/bash
# SPDX-License-Identifier: ISC
# A shared-key tunnel whose ends have different keys: nothing passes, one log line says why.
. "$(dirname "$0")/lib.sh"
need_culvert

initiations_from() { [ "$(captured initiations "src host ${outside4[$1]}")" -ge "$2" ]; }

two_ends
write_shared 4
(umask 077; "$build/culvert" genpsk >"$tmp/other.key")
sed -i 's/shared.key/other.key/' "$(conf b)"
# Both have an endpoint, so both try; neither may answer the other.
capture b initiations 'udp[8] = 1'
capture b answers 'udp[8] = 2 or udp[8] = 3'
start_both
background_in a ping-a ping -n -i 0.5 "${inside4[b]}"
wait_for 12 "a's second attempt" initiations_from a 2
never_within 1 "a ping with different keys" ping_once a "${inside4[b]}"
expect_equal "b's log lines about it" 1 "$(logged b 'refused.*SharedKey|SharedKey.*refused')"
expect_equal "answers of b" 0 "$(captured answers "udp")"
for secret in "$(cat "$tmp/shared.key")" "$(cat "$tmp/other.key")"; do
	grep -qF "$secret" "$tmp"/*.log && fail "a key stands in a log"
done

step "the right key, and it works"
stop_culvert b
sed -i 's/other.key/shared.key/' "$(conf b)"
bring_up b
pings a "${inside4[b]}" 10
pings b "${inside4[a]}"
pass
