#!/bin/bash
# SPDX-License-Identifier: ISC
# A device that root has made, in all its kinds: taken as it is, by root and by a user without any rights, and given back
# as it was.
. "$(dirname "$0")/lib.sh"
need_culvert

chmod 711 "$tmp"
install -m 755 "$build/culvert" "$tmp/culvert"
install -d -m 700 -o nobody -g nogroup "$tmp/run" "$tmp/home"
run_path=$tmp/run/culvert

# as_nobody COMMAND...: words that run it as that user, with nothing besides.
as_nobody=(setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set -all --inh-caps -all
	env XDG_RUNTIME_DIR="$tmp/run")
nobody() { ns a "${as_nobody[@]}" "$tmp/culvert" "$@"; }
own_status() { nobody status --json "$(dev a)" | jq -r ".tunnels[0]$1"; }
own_tunnel_up() { [ "$(own_status .state)" = running ]; }
start_as_nobody() { # [VARIABLE=VALUE...]
	: >"$tmp/culvert-a.log"
	background_in a culvert-a "${as_nobody[@]}" "$@" "$tmp/culvert" run "$tmp/home/$(dev a).conf"
}
up_as_nobody() { own_tunnel_up || gone culvert-a; }
wait_as_nobody() {
	wait_for 10 "the tunnel comes up" up_as_nobody
	running culvert-a || fail "culvert of nobody has ended, see its log"
}
stop_as_nobody() {
	stop_background culvert-a
	expect_equal "exit status" 0 $?
	expect_equal "what is left" "$(dev a).lock" "$(ls "$run_path")"
}
# says REGEX: it ends, and says that.
says() {
	wait_for 10 "it ends" gone culvert-a
	unset "pid_of[culvert-a]"
	grep -qE -- "$1" "$tmp/culvert-a.log" || fail "it does not say $1"
}

# The device as a whole, with how it is attached to.
device_state() { ip -n "$prefix-a" -d link show dev "$(dev a)" | sed 's/^[0-9]*: //;s/state [A-Z]*//'; }
# It has been up once: that shows for ever.
make_device() { # MODE [OPTION...]
	must ip -n "$prefix-a" tuntap add dev "$(dev a)" mode "$@"
	must ip -n "$prefix-a" link set "$(dev a)" up
	must ip -n "$prefix-a" link set "$(dev a)" down
}
all_state() { host_state a; device_state; }
expect_same() { # WHAT STATE
	[ "$(all_state)" = "$2" ] || fail "$(printf '%s is not as before:\n' "$1"; diff <(printf '%s\n' "$2") <(all_state))"
}
delete_device() { must ip -n "$prefix-a" link delete "$(dev a)"; }
equip() {
	address a "$(dev a)" "${inside4[a]}/24" "${inside6[a]}/64"
	must ip -n "$prefix-a" link set "$(dev a)" mtu 1400 up
	must ip -n "$prefix-a" route add 10.80.0.0/16 dev "$(dev a)"
}
own_conf() { # the file, for its user
	install -m 600 -o nobody -g nogroup "$(conf a)" "$tmp/home/$(dev a).conf"
}
stop_root() {
	stop_background culvert-a
	expect_equal "exit status" 0 $?
	[ ! -e "/run/culvert/$(dev a).state" ] || fail "the state file is still there: $(cat "/run/culvert/$(dev a).state")"
}

two_ends
make_keys a b
peer="PublicKey = $(public b)\nAllowedIPs = 10.80.0.0/16\n$(allowed b)\nEndpoint = ${outside4[b]}:$port"
install -m 600 -o nobody -g nogroup "$tmp/a.key" "$tmp/home/a.key"
write_conf a "PrivateKeyFile = a.key" "$peer"
own_conf
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
start_culvert b "$(conf b)"
wait_tunnel b

step "an ordinary user without a device is told what it takes"
refuses 'takes root.*or a device that root has made' nobody run "$tmp/home/$(dev a).conf"

step "each kind of device, by its user and by root"
while IFS= read -r options; do
	# shellcheck disable=SC2086 # words on purpose
	make_device tun $options
	for equipped in no yes; do
		[ $equipped = no ] || equip
		before=$(all_state)
		if [ $equipped = yes ]; then
			start_as_nobody
			wait_as_nobody
			pings_both a b
			stop_as_nobody
			expect_same "the device ($options) after its user's tunnel" "$before"
		fi
		start_culvert a "$(conf a)"
		wait_tunnel a
		pings_both a b
		stop_root
		expect_same "the device ($options, equipped: $equipped) after root's" "$before"
	done
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

step "who it is not for, and what is no such device"
make_device tun user daemon
equip
start_as_nobody
says "is not for user nobody: as root, ip tuntap delete dev $(dev a) mode tun, then ip tuntap add .* user nobody"
delete_device
make_device tap user nobody
before=$(host_state a)
start_as_nobody
says 'is a TAP device'
start_culvert a "$(conf a)"
says 'is a TAP device'
expect_host_state a "$before" "after a TAP device was refused"
delete_device
must ip -n "$prefix-a" link add "$(dev a)" type dummy
start_culvert a "$(conf a)"
says "there is a network device $(dev a) already"
delete_device

step "a device that is in use"
sed "s/^ListenPort.*/Device = $(dev a)/" "$(conf a)" >"$tmp/other.conf"
chmod 600 "$tmp/other.conf"
for options in "" multi_queue; do
	# shellcheck disable=SC2086 # words on purpose
	make_device tun user nobody $options
	equip
	start_as_nobody
	wait_as_nobody
	before=$(host_state a)
	refuses "another program has the device $(dev a) open" ns a timeout 20 "$build/culvert" run "$tmp/other.conf"
	expect_host_state a "$before" "after a device in use was refused"
	pings_both a b
	stop_as_nobody
	delete_device
done

step "what its user lacks, with the command for root"
make_device tun user nobody
must ip -n "$prefix-a" link set "$(dev a)" up
start_as_nobody
says "lacks the Address 10.9.0.1/24, .*: ip address add 10.9.0.1/24 dev $(dev a)"
address a "$(dev a)" "${inside4[a]}/24" "${inside6[a]}/64"
start_as_nobody
says "lacks the route to 10.80.0.0/16, .*: ip route add 10.80.0.0/16 dev $(dev a)"
must ip -n "$prefix-a" link set "$(dev a)" down
address a "$(dev a)" "${inside6[a]}/64"
start_as_nobody
says "is down, .*: ip link set $(dev a) up"
delete_device
make_device tun user nobody
equip
must ip -n "$prefix-a" link set "$(dev a)" mtu 1500
start_as_nobody
wait_as_nobody
expect_match "of the MTU" "has an MTU of 1500 where 1420 would fit, .*: ip link set $(dev a) mtu 1420" "$(cat "$tmp/culvert-a.log")"

step "status, reload and down are its own; the engine is enclosed"
expect_equal "user" nobody "$(own_status .user)"
engine=$(own_status .engine_pid)
expect_equal "no_new_privs, seccomp and capabilities of the engine" "1 2 0000000000000000" \
	"$(awk '$1 == "NoNewPrivs:" || $1 == "Seccomp:" { print $2 } $1 == "CapEff:" { cap = $2 } END { print cap }' "/proc/$engine/status" | xargs)"
sed -i 's,10.80.0.0/16,10.81.0.0/16,' "$(conf a)"
own_conf
refuses 'lacks the route to 10.81.0.0/16' nobody reload "$(dev a)"
must ip -n "$prefix-a" route add 10.81.0.0/16 dev "$(dev a)"
must nobody reload "$(dev a)"
refuses 'is running' nobody down "$(dev a)"
pings_both a b
must_not_see() { ! "$build/culvert" status 2>/dev/null | grep -q "$(dev a)" || fail "root's status shows a user's tunnel"; }
must_not_see
before=$(host_state a)
kill -9 "$engine" "$(own_status .pid)"
{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
unset "pid_of[culvert-a]"
must nobody down "$(dev a)"
expect_equal "what is left" "$(dev a).lock" "$(ls "$run_path")"
expect_host_state a "$before" "after a kill"

step "what takes root is refused"
for line in "KillSwitch = yes" "FwMark = 7" "PostUp = true" "NetworkNamespace = x" "User = daemon" "Table = auto\nAllowedIPs = 0.0.0.0/0"; do
	write_conf a "PrivateKeyFile = a.key\n${line%\\nAllowed*}" "$peer${line#"${line%\\nAllowed*}"}"
	own_conf
	start_as_nobody
	says 'takes root|run by root'
done
expect_host_state a "$before" "after what was refused"
write_conf a "PrivateKeyFile = a.key" "$peer"
own_conf

step "a directory that is not its own"
must ns a "${as_nobody[@]}" XDG_RUNTIME_DIR=/nonexistent true
start_as_nobody XDG_RUNTIME_DIR="$tmp/nowhere"
says 'cannot lock .*/nowhere/culvert/.*: No such file or directory \(set XDG_RUNTIME_DIR'
mkdir -p "$tmp/shared/culvert"
chmod 1777 "$tmp/shared" "$tmp/shared/culvert"
start_as_nobody XDG_RUNTIME_DIR="$tmp/shared"
says 'cannot lock .*: Operation not permitted'
delete_device

step "root's tunnel on it, killed: culvert down and the next start put back"
write_conf a "PrivateKeyFile = a.key" "$peer"
make_device tun
must ip -n "$prefix-a" addr add fd77::1/64 dev "$(dev a)"
before=$(host_state a)
kill_both_keep() {
	local pid=${pid_of[culvert-a]} engine
	engine=$(engine_pid a)
	kill -9 "$pid" "$engine"
	wait "$pid" 2>/dev/null
	unset "pid_of[culvert-a]"
}
for way in down start; do
	start_culvert a "$(conf a)"
	wait_tunnel a
	pings_both a b
	kill_both_keep
	[ "$(host_state a)" != "$before" ] || fail "there is nothing to put back"
	if [ $way = down ]; then
		must ns a "$build/culvert" down "$(dev a)"
	else
		start_culvert a "$(conf a)"
		wait_tunnel a
		pings_both a b
		stop_root
	fi
	expect_host_state a "$before" "after a kill and $way"
done
pass
