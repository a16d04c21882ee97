#!/bin/bash
# SPDX-License-Identifier: ISC
# contrib/quickstart runs to its end with what is built already, and leaves nothing.
. "$(dirname "$0")/lib.sh"
need_culvert

before=$(ip netns list | grep -c '^quickstart' || true)
must timeout 120 "$top/contrib/quickstart" --built "$build"
expect_equal "namespaces of quickstart that are left" "$before" "$(ip netns list | grep -c '^quickstart' || true)"

step "interrupted, it cleans up as well"
background quickstart "$top/contrib/quickstart" --built "$build"
wait_for 60 "it has begun" grep -q 'site' "$tmp/quickstart.log"
kill -INT "${pid_of[quickstart]}"
wait_for 20 "it ends" gone quickstart
expect_equal "namespaces of quickstart that are left" "$before" "$(ip netns list | grep -c '^quickstart' || true)"
pass
