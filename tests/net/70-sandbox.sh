#!/bin/bash
# SPDX-License-Identifier: ISC
# The engine has nothing and may do nothing but move packets; with that, all that a tunnel does works; and an engine that
# is taken over ends at its first system call out of the list, which is said. Monitor, hooks and look-ups have filters, too.
. "$(dirname "$0")/lib.sh"
need_culvert
need_tool misbehave.so

field_of() { awk -v what="$2:" '$1 == what { print $2 }' "/proc/$1/status"; }
limit_of() { awk -v what="Max $2 " 'index($0, what) == 1 { sub(what " *", ""); print $1 }' "/proc/$1/limits"; }
metrics_pid() { pgrep -P "$(status_of a .pid)" -x culvert-metrics; }
page() { curl -sS --max-time 10 --unix-socket "$tmp/metrics.sock" http://localhost/metrics >/dev/null; }
serves() { page 2>/dev/null; }
logged_end() { has_logged "$1" 'the engine made a system call that it may not make'; }

# The monitor's, which all inherit, and others. Kernels before 5.9 do not tell how many.
expect_filters() { # PID COUNT WHAT
	local count
	expect_equal "Seccomp of $3" 2 "$(field_of "$1" Seccomp)"
	count=$(field_of "$1" Seccomp_filters)
	expect_equal "filters of $3" "$2" "${count:-$2}"
}

expect_enclosed() { # PID WHAT [FILTERS]
	local field
	expect_filters "$1" "${3:-2}" "$2"
	expect_equal "NoNewPrivs of $2" 1 "$(field_of "$1" NoNewPrivs)"
	for field in processes "core file size"; do
		expect_equal "$2: limit of $field" 0 "$(limit_of "$1" "$field")"
	done
	expect_at_most "$2: limit of open files" 128 "$(limit_of "$1" "open files")"
	expect_equal "$2: what is in its root" "" "$(ls -A "/proc/$1/root/" 2>/dev/null)"
	[ "/proc/$1/root" -ef / ] && fail "$2 has the host's root"
	expect_equal "CapBnd of $2" 0000000000000000 "$(field_of "$1" CapBnd)"
}

expect_unprivileged() { # PID WHAT
	local field
	for field in CapInh CapPrm CapEff CapAmb; do
		expect_equal "$field of $2" 0000000000000000 "$(field_of "$1" "$field")"
	done
	[ "$(field_of "$1" Uid)" != 0 ] || fail "$2 is root"
}

# Locked is what no limit is in the way of.
expect_locked() { # PID NAME
	if [ "$(limit_of "$1" "locked memory")" = unlimited ]; then
		expect_at_least "locked memory" 100 "$(field_of "$1" VmLck)"
	else
		has_logged "$2" 'may be written to swap' || fail "memory is not locked, and nothing says so"
	fi
}

start_limited() { # LOCKED-BYTES: a's device, by one who has no right to lift that
	background_in a device-a env -u LOG_LEVEL WG_PROCESS_FOREGROUND=1 prlimit --memlock="$1" \
		setpriv --bounding-set -sys_resource,-ipc_lock "$build/culvert-device" -f "$(dev a)"
	wait_for 10 "it answers on its control socket" control_answers a
}
lookup_pid() { pgrep -P "${pid_of[culvert-a]}" -x culvert-resolve | head -n 1; }
has_own_filter() { [ "$(field_of "$1" Seccomp_filters)" != 1 ]; }
looks_up() { [ -n "$(lookup_pid)" ]; }

same_engine() { # WHEN
	expect_equal "the engine's process $1" "$engine" "$(engine_pid a)"
}

two_ends
own_names a
chmod 711 "$tmp"
make_keys a b
add_name a b.example.net "${outside4[b]}"
write_a() { # INTERFACE-LINES PEER-LINES
	write_conf a "PrivateKeyFile = a.key\nMetrics = unix:$tmp/metrics.sock\n$1" \
		"PublicKey = $(public b)\n$(allowed b)\nEndpoint = b.example.net:$port\nPersistentKeepalive = 1\n$2"
}
export LOG_LEVEL=verbose

for offload in auto off; do
	for dialect in "" "Cipher = auto"; do
		step "Offload = $offload, ${dialect:-no Cipher}: all that it does"
		write_a "Offload = $offload" "$dialect"
		write_conf b "PrivateKeyFile = b.key\nOffload = $offload" "PublicKey = $(public a)\n$(allowed a)\n$dialect"
		start_both
		engine=$(engine_pid a)
		if [ "$offload$dialect" = auto ]; then
			expect_enclosed "$engine" "the engine"
			expect_unprivileged "$engine" "the engine"
			expect_locked "$engine" a
			expect_filters "${pid_of[culvert-a]}" 1 "the monitor"
			expect_equal "NoNewPrivs of the monitor" 0 "$(field_of "${pid_of[culvert-a]}" NoNewPrivs)"
			expect_enclosed "$(metrics_pid)" "the metrics process"
			expect_unprivileged "$(metrics_pid)" "the metrics process"
		fi
		pings_both a b
		tcp_both_ways a b "${inside4[b]}"
		wait_for 5 "the metrics are served" serves
		must ns a wg show "$(dev a)"
		must "$build/culvert" status "$(dev a)"
		same_engine "after traffic"

		wg_set a listen-port 40001
		wg_set a fwmark 0x77
		pings a "${inside4[b]}"
		wg_set b peer "$(public a)" endpoint "[${outside6[a]}]:40001"
		pings b "${inside4[a]}"
		pings a "${inside4[b]}"
		sed -i 's/^PersistentKeepalive.*/PersistentKeepalive = 2/' "$(conf a)"
		must "$build/culvert" reload "$(dev a)"
		must ip -n "$prefix-a" link set "$(dev a)" mtu 1300
		must ip -n "$prefix-a" link set "$(dev a)" down
		must ip -n "$prefix-a" link set "$(dev a)" up
		wg_set a peer "$(public b)" remove
		must "$build/culvert" status "$(dev a)"
		same_engine "at the end"
		stop_both
	done
done

step "a host without IPv6, and a device that is removed"
must ns a sysctl -qw net.ipv6.conf.all.disable_ipv6=1
sed -i "s/^Address = .*/Address = ${inside4[a]}\/24/; s/^AllowedIPs = .*/AllowedIPs = ${inside4[b]}\/32/" "$(conf a)"
start_both
pings a "${inside4[b]}"
must ip -n "$prefix-a" link del "$(dev a)"
wait_for 5 "a ends" gone culvert-a
! has_logged a SIGSYS || fail "the engine was killed"
stop_culvert b
must ns a sysctl -qw net.ipv6.conf.all.disable_ipv6=0
address a wan 2001:db8::1/64
unset "pid_of[culvert-a]"

step "a look-up and a hook have the monitor's filter, and the look-up one of its own"
printf 'nameserver 127.0.0.1\noptions timeout:5 attempts:2\n' >"/etc/netns/$prefix-a/resolv.conf"
background_in a silence socat -u UDP4-RECV:53 OPEN:/dev/null
wait_for 5 "a name server that never answers" udp_bound a 53
write_conf a "PrivateKeyFile = a.key
PostUp = grep Seccomp /proc/self/status >$tmp/hook; unshare --mount mount -t tmpfs none /mnt && echo mounts >>$tmp/hook
PostUp = swapoff $tmp/none 2>>$tmp/hook || true" "PublicKey = $(public b)\n$(allowed b)\nEndpoint = slow.example.net:$port"
bring_up a
wait_for 5 "a look-up" looks_up
lookup=$(lookup_pid)
wait_for 5 "its own filter" grep -q '^NoNewPrivs:.*1' "/proc/$lookup/status"
wait_for 5 "its filters" has_own_filter "$lookup"
expect_filters "$lookup" 2 "the look-up"
expect_unprivileged "$lookup" "the look-up"
expect_match "what a hook sees" 'Seccomp:[^0-9]*2.*mounts.*Not superuser' "$(cat "$tmp/hook")"
stop_culvert a
stop_background silence

step "culvert-device is enclosed, too, with two rights"
two_devices culvert culvert
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings_both a b
device=$(pgrep -x culvert-device --ns "${pid_of[device-a]}" --nslist net | head -n 1)
[ -n "$device" ] || fail "culvert-device is not found"
expect_enclosed "$device" culvert-device 1
expect_equal "capabilities of culvert-device" 0000000000001400 "$(field_of "$device" CapEff)"
wg_set a listen-port 999
wg_set a fwmark 0x78
pings a "${inside4[b]}"
must ns a wg set "$(dev a)" peer "$(public b)" endpoint "[${outside6[b]}]:$port"
pings a "${inside4[b]}"
rm "$run_dir/$(dev a).sock"
wait_for 5 "it ends when its socket goes" gone device-a
stop_background device-b
expect_equal "exit status of culvert-device" 0 $?
no_socket b || fail "culvert-device has not removed its socket"

for limit in 0 65536; do
	step "culvert-device with $limit bytes of locked memory works, and says once what that means"
	: >"$tmp/device-a.log"
	start_limited "$limit"
	wg_set_key a
	wg_add_peer a b
	inside a
	start_device b culvert
	wg_set_key b
	wg_add_peer b a endpoint "$(endpoint_of a 4)"
	inside b
	pings_both b a
	expect_equal "lines that say so" 1 "$(grep -c 'may be written to swap' "$tmp/device-a.log")"
	expect_equal "locked memory" "$limit" "$(limit_of "$(pgrep -x culvert-device --ns "${pid_of[device-a]}" --nslist net | head -n 1)" "locked memory")"
	stop_background device-a
	stop_background device-b
done

step "an engine that is taken over ends at once, and that is said"
number_of() { python3 -c "import re; print(re.search(r'#define __NR_$1\s+(\d+)', open('$tmp/calls').read()).group(1))"; }
${CC:-cc} -E -dM -include sys/syscall.h -x c /dev/null >"$tmp/calls" || skip "no compiler to ask for the numbers of calls"
write_conf a "PrivateKeyFile = a.key" "PublicKey = $(public b)\n$(allowed b)"
for call in openat execve socket connect ptrace clone kill setuid mount io_uring_setup; do
	background_in a culvert-a env LD_PRELOAD="$tools/misbehave.so" "$build/culvert" run "$(conf a)"
	wait_tunnel a
	: >"$tmp/culvert-a.log"
	ns a bash -c "printf 'misbehave call %d' $(number_of "$call") >/dev/udp/127.0.0.1/$port"
	wait_for 5 "a ends after $call" gone culvert-a
	wait "${pid_of[culvert-a]}"
	expect_equal "exit status after $call" 1 $?
	unset "pid_of[culvert-a]"
	logged_end a || fail "$call: the log does not say why the engine ended"
	no_device a || fail "$call: the device is still there"
done

step "a call that is on the list, from the same place, ends nothing"
background_in a culvert-a env LD_PRELOAD="$tools/misbehave.so" "$build/culvert" run "$(conf a)"
wait_tunnel a
ns a bash -c "printf 'misbehave call %d' $(number_of gettid) >/dev/udp/127.0.0.1/$port"
never_within 1 "a ends" gone culvert-a
stop_culvert a
pass
