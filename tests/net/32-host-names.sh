#!/bin/bash
# SPDX-License-Identifier: ISC
# An endpoint's name that cannot be looked up yet: the tunnel starts, and finds its peer when the name appears.
. "$(dirname "$0")/lib.sh"
need_culvert

endpoint_found() { [ "$(shown a endpoints | cut -f2)" = "$(endpoint_of b 4)" ]; }

two_ends
own_names a
own_names b
write_shared 4
sed -i "s/^Endpoint.*/Endpoint = b.example.net:$port/" "$(conf a)"
sed -i "/^Endpoint/d" "$(conf b)"
before=$(host_state a)
begin=$(now_ms)
start_both
expect_at_most "ms to start without a name server" 5000 $(($(now_ms) - begin))

step "no name, no traffic, a log line, and the tunnel stays"
never_within 3 "a ping without an endpoint" ping_once a "${inside4[b]}"
wait_for 10 "the log names it" has_logged a 'b\.example\.net'
running culvert-a || fail "culvert ended because a name could not be looked up"
expect_equal "endpoint" "(none)" "$(shown a endpoints | cut -f2)"

step "the name appears"
add_name a b.example.net "${outside4[b]}"
wait_for 25 "the endpoint is found" endpoint_found
pings a "${inside4[b]}"
pings b "${inside4[a]}"
stop_both
expect_host_state a "$before" "after a name that could not be looked up"
pass
