#!/bin/bash
# SPDX-License-Identifier: ISC
# As a service: ready when routes are there, the status line, reload, the watchdog, and none of it for hooks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/manager.sh"
need_culvert

# With systemd's variables in the environment; the watchdog's interval is 3 s.
start_service() { # NS
	: >"$tmp/manager"
	background_in "$1" "culvert-$1" env NOTIFY_SOCKET="$tmp/notify" WATCHDOG_USEC=3000000 \
		CREDENTIALS_DIRECTORY="$tmp/credentials" \
		"$build/culvert" run "$(conf "$1")"
}

two_ends
write_pair "Endpoint = $(endpoint_of b 4)" "Endpoint = $(endpoint_of a 4)"
cp "$(conf a)" "$tmp/plain.conf"
# The last step of the start shows what is there before it is over; hooks must not find the manager.
sed -i "/^\[Interface\]/a PostUp = env >$tmp/environment; ip route show table all >$tmp/routes; sleep 1; : >$tmp/hook-ended" \
	"$(conf a)"
# Its key is where only the service finds it.
mkdir -m 700 "$tmp/credentials"
mv "$tmp/a.key" "$tmp/credentials"
start_manager

# The units as they are installed, but for the program's place: what is verified must be there.
if command -v systemd-analyze >/dev/null; then
	step "the units: what systemd says of them, and of how much they could do"
	units=$tmp/units
	mkdir -p "$units/culvert@.service.d" "$units/culvert-block@.service.d"
	for unit in culvert@.service culvert-block@.service no-root.conf; do
		sed "s,@sbindir@,$build," "$top/contrib/systemd/$unit.in" >"$units/$unit"
	done
	cp "$top/contrib/systemd/"{culvert.target,culvert@.socket,culvert-netns@.service} "$units"
	verified() { # WHAT
		local said
		said=$(systemd-analyze verify --man=no "$units/culvert.target" "$units/culvert@x.service" "$units/culvert@x.socket" \
			"$units/culvert-block@x.service" "$units/culvert-netns@vpn.service" 2>&1 | grep -F -e "$units" -e culvert)
		expect_equal "what systemd says of $1" "" "$said"
	}
	# The tenths of the exposure level.
	exposed() { # UNIT
		systemd-analyze security --offline=true --no-pager "$units/$1" 2>&1 |
			sed -n 's/.*exposure level.*: \([0-9]*\)\.\([0-9]\) .*/\1\2/p'
	}
	verified "the units"
	expect_at_most "tenths of the service's exposure" 31 "$(exposed culvert@.service)"
	sed 's/^#\(Requires\|After\)=/\1=/' "$top/contrib/systemd/network-namespace.conf" >"$units/culvert@.service.d/netns.conf"
	verified "the units with a network namespace"
	expect_at_most "tenths of the service's exposure with a network namespace" 35 "$(exposed culvert@.service)"
	mv "$units/no-root.conf" "$units/culvert@.service.d/netns.conf"
	cp "$top/contrib/systemd/no-root-block.conf" "$units/culvert-block@.service.d"
	verified "the units without root"
	expect_at_most "tenths of the service's exposure without root" 20 "$(exposed culvert@.service)"
else
	step "without systemd-analyze the units are not looked at"
fi

step "the kill switch at boot, when files of keys are not there yet"
sed '/^\[Interface\]/a KillSwitch = yes' "$(conf a)" >"$tmp/switch.conf"
chmod 600 "$tmp/switch.conf"
before=$(host_state a)
refuses 'switch.conf:[0-9]*: PrivateKeyFile: cannot open' "$build/culvert" check "$tmp/switch.conf"
cp "$tmp/switch.conf" "$tmp/$prefix-x.conf"
must ns a "$build/culvert" block "$tmp/$prefix-x.conf"
[ -n "$(ip -n "$prefix-a" route show type unreachable)" ] || fail "culvert block has blocked nothing"
must ns a "$build/culvert" down "$prefix-x"
expect_host_state a "$before" "after culvert down"
echo 'Nonsense = 1' >>"$tmp/$prefix-x.conf"
refuses 'unknown key' ns a "$build/culvert" block "$tmp/$prefix-x.conf"
expect_host_state a "$before" "after a block that failed"

step "ready after the start's last step, and not before"
start_service a
wait_for 10 "the status of the start" told '^STATUS=starting'
wait_for 10 "PostUp runs" test -s "$tmp/routes"
! told READY=1 || fail "READY before PostUp has ended"
wait_for 10 "READY" told '^READY=1'
[ -e "$tmp/hook-ended" ] || fail "READY before PostUp has ended"
grep -q "${inside4[b]}.*$(dev a)" "$tmp/routes" || fail "no route to b when PostUp ran"
wait_for 5 "the status line" told "^STATUS=$(dev a) is up, MTU [0-9]+"
! grep -q 'NOTIFY_SOCKET\|WATCHDOG\|CREDENTIALS' "$tmp/environment" ||
	fail "hooks find the manager or the keys in their environment"
bring_up b
pings a "${inside4[b]}" 20

step "the watchdog is fed while the engine answers"
alive() { [ "$(grep -c '^WATCHDOG=1' "$tmp/manager")" -ge "$1" ]; }
wait_for 15 "three signs of life" alive 3
engine=$(engine_pid a)
kill -STOP "$engine"
sleep 2 # an answer that was on its way
count=$(grep -c '^WATCHDOG=1' "$tmp/manager")
never_within 5 "a sign of life while the engine hangs" alive $((count + 1))
kill -CONT "$engine"
wait_for 15 "signs of life again" alive $((count + 1))
pings a "${inside4[b]}"

step "reload"
: >"$tmp/manager"
must "$build/culvert" reload "$(dev a)"
wait_for 5 "RELOADING" told '^RELOADING=1 MONOTONIC_USEC=[0-9]+$'
wait_for 5 "READY after it" told '^READY=1'
expect_match "the order" '^RELOADING=1.*READY=1' "$(grep -a 'RELOADING\|READY' "$tmp/manager" | paste -sd ' ')"
: >"$tmp/manager"
echo 'Nonsense = 1' >>"$(conf a)"
kill -HUP "${pid_of[culvert-a]}"
wait_for 5 "READY after a reload that failed" told '^READY=1'
pings a "${inside4[b]}"

step "stopping"
: >"$tmp/manager"
stop_culvert a
told '^STOPPING=1' || fail "STOPPING was not told"

step "both processes told to stop, as by a whole control group: no failure"
cp "$tmp/plain.conf" "$(conf a)"
start_service a
wait_for 10 "READY" told '^READY=1'
engine=$(engine_pid a)
kill -STOP "${pid_of[culvert-a]}" # so that it hears of both at once
kill -TERM "$engine"
wait_for 5 "the engine ends" grep -q '^State:.*Z' "/proc/$engine/status"
kill -TERM "${pid_of[culvert-a]}"
kill -CONT "${pid_of[culvert-a]}"
wait_for 10 "culvert ends" gone culvert-a
wait "${pid_of[culvert-a]}"
expect_equal "exit status" 0 $?
unset "pid_of[culvert-a]"

step "a start that fails says why"
sed -i '/^\[Interface\]/a PreUp = exit 7' "$(conf a)"
start_service a
wait_for 10 "it ends" gone culvert-a
! told READY=1 || fail "READY though the start failed"
told 'STATUS=.*PreUp ended with status 7' || fail "no reason in the status: $(cat "$tmp/manager")"
pass
