#!/bin/bash
# SPDX-License-Identifier: ISC
# doc/TUTORIAL, chapter 6: a real host in a simulated network, of namespaces, of mininet's or of ns-3's, with the document's
# files and commands.
# runs: namespaces mininet ns3
. "$(dirname "$0")/tutorial.sh"
need_culvert

# Namespaces that somebody makes on a host are there as long as its mounts: each host is kept, by a process in it.
keep_host() { # NS
	# shellcheck disable=SC2016 # the inner shell expands it
	background_in "$1" "host-$1-kept" /bin/sh -c 'mount --bind "$1/etc" /etc && mount --bind "$1/run" /run &&
		mkdir -p /run/netns && echo kept && exec sleep infinity' sh "$(host_dir "$1")"
	wait_for 5 "$1 is there" grep -q kept "$tmp/host-$1-kept.log"
}
# way_to NS: what stands before a command that runs there, in $way.
way_to() {
	way=(nsenter --net --mount -t "${pid_of[host-$1-kept]}" env PATH="$(host_dir "$1")/bin:$PATH"
		TUTORIAL_UNITS="$build/contrib/systemd" TUTORIAL_LOG="$tmp/host-$1")
}
on() {
	local way
	way_to "$1"
	"${way[@]}" bash -c "cd '$tutorial' && $2" </dev/null
}

read_sections() { # NUMBER...: of chapter 6
	local wanted=" $* "
	read_chapter 6
	chapter=$(awk -v wanted="$wanted" '/^6[.][0-9] / { on = index(wanted, " " substr($1, 3) " ") } on' <<<"$chapter")
	commands=$(sed -nE 's/^ {4}([a-z][a-z-]*)# (.*)$/\1 \2/p' <<<"$chapter")
	[ -n "$commands" ] || fail "doc/TUTORIAL has no sections $*"
}

# real reaches the simulated hosts, so many routers away.
expect_way() { # ROUTERS
	types real "ping -c 2 10.50.1.10"
	expect_match "the way of $1 routers" "ttl=$((64 - $1)) " "$output"
	reaches real 10.50.2.10
}

# The line in the middle is as slow as it was told to be, also for what comes through the tunnel.
expect_slow_line() { # HOW-TO-RUN-IN-ONE...
	local rate way
	way_to lab
	background one "${way[@]}" "$@" iperf3 -s -1 -p 5201 --forceflush
	wait_for 5 "iperf3 listens in the simulation" grep -q 'Server listening' "$tmp/one.log"
	rate=$(on real "timeout 30 iperf3 -J -c 10.50.1.10 -p 5201 -t 2" | jq '.end.sum_received.bits_per_second | floor')
	expect_at_least "bits a second over the slow line" 2000000 "$rate"
	expect_at_most "bits a second over the slow line" 11000000 "$rate"
}

namespaces() {
	types lab "sh sim.sh"
	expect_way 3
	types lab "ip netns exec one ping -c 2 10.9.6.2"
	expect_slow_line ip netns exec one
	# shellcheck disable=SC2016 # that host's shell expands it
	types lab 'for name in edge core one two; do ip netns del $name; done'
	cut_off real 10.50.1.10
}

says_one() { grep -q "$1" "$tmp/mininet.log"; } # REGEX
mininet() {
	local ask way
	way_to lab
	mkfifo "$tmp/prompt"
	exec {ask}<>"$tmp/prompt"
	told_to_type lab "/usr/bin/python3 sim-mininet.py"
	# What it would set for a whole machine, as files and terminals, stays as it is.
	# shellcheck disable=SC2016 # the inner shell expands it
	background mininet "${way[@]}" unshare --mount bash -c 'for each in fs kernel; do
		mount --bind -o ro /proc/sys/$each /proc/sys/$each; done; cd "$1" && exec /usr/bin/python3 sim-mininet.py <"$2"' \
		sh "$tutorial" "$tmp/prompt"
	wait_for 20 "mininet is there" says_one 'mininet>'
	expect_way 2
	quoted 'one ping -c 2 10.9.6.2'
	echo 'one ping -c 2 10.9.6.2' >&"$ask"
	wait_for 10 "one pings real" says_one '2 packets transmitted, 2 received'
	echo 'py "pid=%d." % one.pid' >&"$ask"
	wait_for 5 "mininet tells of one's process" says_one 'pid=[0-9]*[.]'
	expect_slow_line mnexec -a "$(sed -n 's/.*pid=\([0-9]*\)[.].*/\1/p' "$tmp/mininet.log")"
	echo exit >&"$ask"
	wait_for 20 "mininet ends" gone mininet
	cut_off real 10.50.1.10
}

# A root directory of its own, so that the link for ns-3's helper is on no machine.
# shellcheck disable=SC2016 # the inner shell expands it
own_root='mount -t tmpfs none /mnt && for each in /*; do
		if [ -L "$each" ]; then cp -a "$each" /mnt
		elif [ -d "$each" ] && [ "$each" != /mnt ]; then mkdir "/mnt$each" && mount --rbind "$each" "/mnt$each"; fi || exit
	done; exec chroot /mnt bash -c "$1"'
ns3() {
	local way each words=
	way_to lab
	types lab "g++ -o /run/sim sim-ns3.cc -lns3-tap-bridge -lns3-csma -lns3-point-to-point -lns3-internet -lns3-network -lns3-core"
	while IFS= read -r each; do
		[[ ! $each =~ ^lab\ (path|ln|/run) ]] || told_to_type lab "${each#* }"
		[[ ! $each =~ ^lab\ (path|ln|/run) ]] || words+="${each#* }; "
	done <<<"$commands"
	background ns3 "${way[@]}" unshare --mount bash -c "$own_root" sh "$words"
	has_tap() { ip -n "$prefix-lab" addr show dev to-ns3 | grep -q '10\.50\.0\.1/24'; }
	wait_for 15 "ns-3 makes its device" has_tap
	types lab "ip route add 10.50.1.0/24 via 10.50.0.2"
	reaches real 10.50.1.2
	types real "ping -c 2 10.50.1.2"
	expect_match "the way of 2 routers" "ttl=62 time=(4[0-9]|[5-9][0-9]|[1-9][0-9]+)[.0-9]* ms" "$output"
	kill_hard ns3
	cut_off real 10.50.1.2
}

if [ "$1" = ns3 ]; then
	command -v g++ >/dev/null || skip "there is no g++"
	g++ -E -x c++ - >/dev/null 2>&1 <<<'#include <ns3/tap-bridge-module.h>' || skip "there is no ns-3 (libns3-dev)"
fi
if [ "$1" = mininet ]; then
	command -v mnexec >/dev/null || skip "there is no mininet"
	/usr/bin/python3 -c 'import mininet' 2>/dev/null || skip "there is no mininet for python3"
fi
add_ns lab real
ns lab tc qdisc add dev lo root tbf rate 10mbit burst 16kb latency 50ms 2>/dev/null || skip "the kernel has no sch_tbf"
must ns lab tc qdisc del dev lo root
ns lab tc qdisc add dev lo root htb 2>/dev/null || skip "the kernel has no sch_htb"
must ns lab tc qdisc del dev lo root
cable lab wan real wan
address lab wan 192.0.2.1/24
address real wan 192.0.2.2/24
for each in lab real; do
	make_host "$each"
	host_name "$each" lab.example.net 192.0.2.1
	keep_host "$each"
done
before=$(host_state lab)

step "the tunnel"
declare -A sections=([namespaces]=2 [mininet]=3 [ns3]=4)
read_sections 1 "${sections[$1]}"
types lab "(umask 077; culvert genpsk >/etc/culvert/sim.key)"
must install -m 600 "$(host_dir lab)/etc/culvert/sim.key" "$(host_dir real)/etc/culvert/sim.key"
types lab "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-lab.conf"
types lab "sysctl -p /etc/sysctl.d/90-lab.conf"
for each in lab real; do
	put "$each" "sim-$each.conf" /etc/culvert/sim.conf
	types "$each" "culvert check sim"
	types "$each" "systemctl enable --now culvert@sim"
done
reaches real 10.9.6.1

step "the simulation: $1"
"$1"
all_typed lab real
for each in lab real; do
	must on "$each" "systemctl disable --now culvert@sim"
done
must ns lab sysctl -qw net.ipv4.ip_forward=0
expect_host_state lab "$before" "at the end"
pass
