#!/bin/bash
# SPDX-License-Identifier: ISC
# Hooks: their order, what they see, and a start that fails and is undone.
. "$(dirname "$0")/lib.sh"
need_culvert

# A hook's line: what it is called and whether the device and its address are there.
cat >"$tmp/see" <<'SEE'
#!/bin/sh
state=none
ip link show dev "$2" >/dev/null 2>&1 && state=device
ip addr show dev "$2" 2>/dev/null | grep -q 10.9.0.1 && state=address
ip route show dev "$2" 2>/dev/null | grep -q 10.80.0.0 && state=route
echo "$1 $2 $state" >>"$(dirname "$0")/seen"
SEE
chmod +x "$tmp/see"
hook() { printf '%s = %s/see %s %%i' "$1" "$tmp" "$2"; }
all_hooks="$(hook PreUp PreUp)\n$(hook PostUp PostUp)\n$(hook PostUp again)\n$(hook PreDown PreDown)\n$(hook PostDown PostDown)"
seen() { paste -sd , "$tmp/seen" 2>/dev/null; }

start_with() { # INTERFACE-LINES
	: >"$tmp/seen"
	write_conf a "PrivateKeyFile = a.key\n$1" \
		"PublicKey = $(public b)\nAllowedIPs = 10.9.0.2/32, 10.80.0.0/16\n$endpoint"
	start_culvert a "$(conf a)"
}

fails_with() { # WHAT INTERFACE-LINES: the start fails, and nothing is left of it
	start_with "$2"
	wait_for 10 "culvert gives up: $1" gone culvert-a
	wait "${pid_of[culvert-a]}"
	expect_equal "exit status: $1" 1 $?
	unset "pid_of[culvert-a]"
	expect_host_state a "$before" "after a failed start: $1"
	no_socket a || fail "$1: the control socket is still there"
	[ ! -e "/run/culvert/$(dev a).sock" ] || fail "$1: the status socket is still there"
}

two_ends
make_keys a b
endpoint="Endpoint = $(endpoint_of b 4)"
before=$(host_state a)
name=$(dev a)

step "their order and what they see"
start_with "$all_hooks"
wait_for 10 "the last of PostUp" grep -q again "$tmp/seen"
expect_equal "on the way up" "PreUp $name device,PostUp $name route,again $name route" "$(seen)"
stop_culvert a
expect_equal "in all" "PreUp $name device,PostUp $name route,again $name route,PreDown $name route,PostDown $name none" \
	"$(seen)"
expect_host_state a "$before" "after hooks"

step "what a shell makes of semicolons, quotes and &&"
start_with "PostUp = echo 'one; two' >>$tmp/seen; echo \"%i three\" >>$tmp/seen && echo four=\$((2 + 2)) >>$tmp/seen"
wait_for 10 "the hook" grep -q four "$tmp/seen"
expect_equal "output" "one; two,$name three,four=4" "$(seen)"
stop_culvert a

step "PreUp may ask wg"
start_with "PreUp = wg show %i listen-port >$tmp/seen.wg"
wait_tunnel a
expect_equal "wg's answer in PreUp" 0 "$(cat "$tmp/seen.wg")"
stop_culvert a

step "failed starts"
fails_with "PreUp fails" "PreUp = exit 3"
fails_with "PostUp fails" "$(hook PreUp PreUp)\nPostUp = exit 3\n$(hook PostDown PostDown)"
expect_equal "hooks when PostUp fails" "PreUp $name device,PostDown $name none" "$(seen)"
fails_with "the user does not exist" "User = nobody-of-that-name"
must ip -n "$prefix-a" link add "$name" type veth peer name "${name}x"
before=$(host_state a)
fails_with "the device's name is taken" "$all_hooks"
expect_equal "hooks when the name is taken" "" "$(seen)"
must ip -n "$prefix-a" link del "$name"
before=$(host_state a)
background_in a taken socat -u "UDP4-RECV:$port" OPEN:/dev/null
wait_for 5 "the port is taken" udp_bound a "$port"
fails_with "the port is taken" "$(hook PreUp PreUp)"
expect_match "the log names the port" "$port" "$(cat "$tmp/culvert-a.log")"
stop_background taken

step "started by who ignores its children"
write_conf a "PrivateKeyFile = a.key\nPostUp = true" "PublicKey = $(public b)\n$endpoint"
background_in a culvert-a env --ignore-signal=CHLD "$build/culvert" run "$(conf a)"
wait_tunnel a
stop_culvert a

step "a reload runs none, and says when the new ones run"
start_with "$(hook PostUp PostUp)"
wait_tunnel a
sed -i "s,^PostUp.*,$(hook PostUp other)\n$(hook PostDown PostDown)," "$(conf a)"
expect_match "what the reload says" 'not run now, but PostUp when the tunnel is started again, PostDown when the tunnel stops$' \
	"$(ns a "$build/culvert" reload "$name" 2>&1)"
expect_equal "what it ran" "PostUp $name route" "$(seen)"
stop_culvert a
expect_equal "in all" "PostUp $name route,PostDown $name none" "$(seen)"

step "a PreDown that fails does not keep the tunnel up"
start_with "PreDown = exit 1\n$(hook PostDown PostDown)"
wait_tunnel a
stop_background culvert-a
expect_equal "PostDown" "PostDown $name none" "$(seen)"
expect_host_state a "$before" "after a failing PreDown"
pass
