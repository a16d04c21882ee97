#!/bin/bash
# SPDX-License-Identifier: ISC
# A user without any rights and a device of root's: what is refused and what is missing, each with what to do; status,
# reload and down; the sandbox.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/borrowed.sh"

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
must ip -n "$prefix-a" link add "$(dev a)" type bridge
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
refuses "$(dev b) was started as root and has left something" nobody down "$(dev b)"
expect_match "down of what nobody has" 'there is nothing to put back' "$(nobody down nothing)"
pings_both a b
kill -9 "$engine" "$(own_status .pid)"
{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
unset "pid_of[culvert-a]"
must nobody down "$(dev a)"
expect_equal "what is left" "$(dev a).lock" "$(ls "$run_path")"

step "what takes root is refused"
for line in "KillSwitch = yes" "FwMark = 7" "PostUp = true" "NetworkNamespace = x" "User = daemon" "Table = auto\nAllowedIPs = 0.0.0.0/0"; do
	write_conf a "PrivateKeyFile = a.key\n${line%\\nAllowed*}" "$peer${line#"${line%\\nAllowed*}"}"
	own_conf
	start_as_nobody
	says 'takes root|run by root'
done
write_conf a "PrivateKeyFile = a.key" "$peer"
own_conf

step "a directory that is not its own"
start_as_nobody_with XDG_RUNTIME_DIR="$tmp/nowhere"
hint="No such file or directory \(set XDG_RUNTIME_DIR to .*, as mkdir -m 700 makes one: there is no $tmp/nowhere\)"
says "cannot lock .*/nowhere/culvert/.*: $hint"
install -m 600 -o nobody -g nogroup /dev/null "$tmp/home/shared.key"
refuses "no name was found for the tunnel: $hint" ns a "${as_nobody[@]}" XDG_RUNTIME_DIR="$tmp/nowhere" \
	"$tmp/culvert" run --shared-key-file "$tmp/home/shared.key" --address 10.99.0.1/24
mkdir -p "$tmp/shared/culvert"
chmod 1777 "$tmp/shared" "$tmp/shared/culvert"
start_as_nobody_with XDG_RUNTIME_DIR="$tmp/shared"
says 'cannot lock .*: Operation not permitted'
delete_device
pass
