#!/bin/bash
# SPDX-License-Identifier: ISC
# The engine has nothing and may do nothing but move packets; with that, all that a tunnel does works; and an engine that
# is taken over ends at its first system call out of the list, which is said.
. "$(dirname "$0")/lib.sh"
need_culvert
need_tool misbehave.so

field_of() { awk -v what="$2:" '$1 == what { print $2 }' "/proc/$1/status"; }
limit_of() { awk -v what="Max $2 " 'index($0, what) == 1 { sub(what " *", ""); print $1 }' "/proc/$1/limits"; }
metrics_pid() { pgrep -P "$(status_of a .pid)" -x culvert-metrics; }
page() { curl -sS --max-time 10 --unix-socket "$tmp/metrics.sock" http://localhost/metrics >/dev/null; }
serves() { page 2>/dev/null; }
logged_end() { has_logged "$1" 'the engine made a system call that it may not make'; }

expect_enclosed() { # PID WHAT
	local field
	expect_equal "Seccomp of $2" 2 "$(field_of "$1" Seccomp)"
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
		has_logged "$2" 'lacks.* locked memory' || fail "memory is not locked, and nothing says so"
	fi
}

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

step "culvert-device is enclosed, too, with two rights"
two_devices culvert culvert
wg_set a peer "$(public b)" endpoint "$(endpoint_of b 4)"
pings_both a b
device=$(pgrep -x culvert-device --ns "${pid_of[device-a]}" --nslist net | head -n 1)
[ -n "$device" ] || fail "culvert-device is not found"
expect_enclosed "$device" culvert-device
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
