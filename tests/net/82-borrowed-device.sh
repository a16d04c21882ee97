#!/bin/bash
# SPDX-License-Identifier: ISC
# A device that root has made, in all its kinds: taken as it is, by root and by a user without any rights, and given
# back as it was, also after a kill.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/borrowed.sh"

# The device as a whole, with how it is attached to.
device_state() { ip -n "$prefix-a" -d link show dev "$(dev a)" | sed 's/^[0-9]*: //;s/state [A-Z]*//'; }
# The kernel's route for multicast comes with the first who attaches.
all_state() {
	host_state a | jq -S 'if type == "array" then map(select(.type != "multicast")) else . end'
	device_state
}
all_state_is() { [ "$(all_state)" = "$1" ]; }
expect_same() { # WHAT STATE
	within 5 all_state_is "$2" || fail "$(printf '%s is not as before:\n' "$1"; diff <(printf '%s\n' "$2") <(all_state))"
}
roots_tunnel() { # KIND-OF-DEVICE
	before=$(all_state)
	bring_up a
	pings_both a b
	stop_root
	expect_same "the device ($1) after root's tunnel" "$before"
}

step "an ordinary user without a device is told what it takes"
refuses 'takes root.*or a device that root has made' nobody run "$tmp/home/$(dev a).conf"

step "each kind of device, by its user and by root"
while IFS= read -r options; do
	# shellcheck disable=SC2086 # words on purpose
	make_device tun $options
	[[ $options != "user nobody" ]] || roots_tunnel "bare, $options"
	equip
	before=$(all_state)
	start_as_nobody
	wait_as_nobody
	pings_both a b
	stop_as_nobody
	expect_same "the device ($options) after its user's tunnel" "$before"
	[[ $options != *pi* ]] || roots_tunnel "equipped, $options"
	delete_device
done <<-EOF
	user nobody
	group nogroup
	user nobody group nogroup
	user nobody multi_queue
	user nobody pi
	user nobody vnet_hdr
	user nobody group nogroup multi_queue pi vnet_hdr
EOF

step "who else could attach"
while IFS=: read -r options who; do
	# shellcheck disable=SC2086 # words on purpose
	make_device tun $options
	: >"$tmp/culvert-a.log"
	bring_up a
	stop_root
	expect_equal "warnings of a device of $options" "${who:+1}" \
		"$(logged a "to which $who.* can attach .*make it without multi_queue" | sed s/0//)"
	delete_device
done <<-EOF
	user nobody multi_queue:the user with the number $(id -u nobody)
	group nogroup multi_queue:everybody of the group with the number $(getent group nogroup | cut -d : -f 3)
	multi_queue:every user of this host
	user root multi_queue
	user nobody
EOF
make_device tun user nobody multi_queue
equip
start_as_nobody
wait_as_nobody
! has_logged a "can attach" || fail "its own user is somebody else"
pings_both a b
own=$(nobody status 2>"$tmp/others") || fail "status of a tunnel that is up ends with $?"
expect_match "its user's status" "$(dev a)" "$own"
expect_match "what is said of root's" "only root may ask: .*$(dev b)" "$(cat "$tmp/others")"
stop_as_nobody
delete_device

step "root's tunnel on it, killed: culvert down and the next start put back"
write_conf a "PrivateKeyFile = a.key" "$peer"
make_device tun
must ip -n "$prefix-a" addr add fd77::1/64 dev "$(dev a)"
before=$(all_state)
kill_both_keep() {
	local pid=${pid_of[culvert-a]} engine
	engine=$(engine_pid a)
	kill -9 "$pid" "$engine"
	wait "$pid" 2>/dev/null
	unset "pid_of[culvert-a]"
}
sed -i '/^\[Interface\]/a PostUp = false' "$(conf a)"
refuses 'PostUp' ns a timeout 20 "$build/culvert" run "$(conf a)"
expect_same "the device after a start that failed" "$before"
sed -i '/^PostUp/d' "$(conf a)"
for way in down start; do
	bring_up a
	pings_both a b
	kill_both_keep
	[ "$(all_state)" != "$before" ] || fail "there is nothing to put back"
	if [ $way = down ]; then
		must ns a "$build/culvert" down "$(dev a)"
	else
		bring_up a
		pings_both a b
		stop_root
	fi
	expect_same "the device after a kill and $way" "$before"
done

step "IPv6 addresses of others"
cp "$(conf a)" "$tmp/whole.conf"
sed -i 's/^Address = .*/Address = 10.9.0.1\/24/; s/^AllowedIPs = .*/AllowedIPs = 10.9.0.0\/24/; s/^\[Interface\]/&\nMTU = 1200/' "$(conf a)"
refuses 'has the address fd77::1/64, not ours, .*: MTU = 1280 or more, or take it off first' \
	ns a timeout 20 "$build/culvert" run "$(conf a)"
expect_same "the device after an MTU was refused" "$before"
sed -i 's/^MTU = .*/MTU = 1280/' "$(conf a)"
bring_up a
expect_equal "the MTU" 1280 "$(mtu_of a)"
sed -i 's/^MTU = .*/MTU = 1279/' "$(conf a)"
refuses 'has the address fd77::1/64' "$build/culvert" reload "$(dev a)"
expect_equal "the MTU after a reload" 1280 "$(mtu_of a)"
stop_root
expect_same "the device after that" "$before"
must ip -n "$prefix-a" addr del fd77::1/64 dev "$(dev a)"
bring_up a
expect_equal "the MTU without IPv6" 1279 "$(mtu_of a)"
pings a "${inside4[b]}"
stop_root
must ip -n "$prefix-a" link set "$(dev a)" addrgenmode none # which went with the rest of IPv6, as culvert.conf(5) says
must ip -n "$prefix-a" addr add fd77::1/64 dev "$(dev a)"
expect_same "the device after a tunnel without IPv6" "$before"
mv "$tmp/whole.conf" "$(conf a)"

step "what cannot be put back keeps nothing else from it"
bring_up a
kill_both_keep
printf 'copy %s\n' "$tmp" >>"/run/culvert/$(dev a).state"
refuses 'Is a directory' ns a "$build/culvert" down "$(dev a)"
expect_equal "what is left to do" "copy $tmp" "$(sed 1d "/run/culvert/$(dev a).state")"
rm "/run/culvert/$(dev a).state"
expect_same "the device after a down that failed" "$before"

step "a route of others does, whatever metric it has"
must ip -n "$prefix-a" link set "$(dev a)" up
must ip -n "$prefix-a" route add 10.80.0.0/16 dev "$(dev a)" metric 50
before=$(all_state)
bring_up a
pings_both a b
stop_root
expect_same "the device with a route of others" "$before"
pass
