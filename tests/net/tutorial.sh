# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# What the tests of doc/TUTORIAL share: hosts that each have an /etc and a /run of their own, on which the commands are
# typed that the document tells people to type. To be sourced in place of lib.sh.
#
# A command line of the document looks like "    b# culvert check site": host b, or both# or all#. `types b COMMAND`
# runs it there, and fails if it is not in the chapter; `all_typed` fails if the chapter has one that was not typed.
# The same with what status and log are said to say: `shows` and `logs`.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tutorial=$top/doc/tutorial
chapter=  # the text of the chapter
commands= # its commands: lines "host command"
typed=
plural='both|all'

# read_chapter NUMBER
read_chapter() {
	chapter=$(awk -v head="^$1[.] " '/^[0-9][.] / { on = $0 ~ head } on' "$top/doc/TUTORIAL")
	commands=$(sed -nE 's/ +# .*//; s/^ {4,8}([a-z][a-z-]*)[#$] (.*)$/\1 \2/p' <<<"$chapter")
	[ -n "$commands" ] || fail "doc/TUTORIAL has no chapter $1, or no commands in it"
}

# ---- hosts

need_nft() { # NS: any namespace that has nothing yet
	ns "$1" nft 'table ip try { chain out { type nat hook postrouting priority srcnat; masquerade; }; }' 2>/dev/null ||
		skip "needs nft, and a kernel that translates addresses"
	must ns "$1" nft delete table ip try
}

host_dir() { printf '%s/host-%s' "$tmp" "$1"; }

# make_host NS: an /etc with the little that programs need, an empty /run, and programs that stand in for others.
make_host() {
	local dir each
	dir=$(host_dir "$1")
	mkdir -p "$dir/etc/sysctl.d" "$dir/etc/wireguard" "$dir/etc/openvpn" "$dir/run/wireguard" "$dir/run/openvpn" "$dir/bin"
	mkdir -m 700 "$dir/etc/culvert"
	for each in passwd group nsswitch.conf protocols services ld.so.cache alternatives; do
		[ ! -e "/etc/$each" ] || cp -a "/etc/$each" "$dir/etc"
	done
	printf '127.0.0.1 localhost\n' >"$dir/etc/hosts"
	printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$dir/etc/resolv.conf"
	ln -s "$build/culvert" "$build/culvert-device" "$dir/bin"
	ln -s "$top/tests/net/tutorial-systemctl.sh" "$dir/bin/systemctl"
}

host_name() { printf '%s %s\n' "$3" "$2" >>"$(host_dir "$1")/etc/hosts"; } # NS NAME ADDRESS

# on NS COMMAND-LINE: runs it as root's shell does on that host.
# shellcheck disable=SC2016 # the inner shell expands it
on() {
	local dir
	dir=$(host_dir "$1")
	ns "$1" env PATH="$dir/bin:$PATH" TUTORIAL_UNITS="$build/contrib/systemd" TUTORIAL_LOG="$tmp/host-$1" \
		/bin/sh -c 'mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && cd /root && exec bash -c "$2"' \
		sh "$dir" "$2" </dev/null
}

# put NS FILE PLACE: a file of the document, with the keys in place of what stands for them. Keys are those that
# `know` was told.
declare -A known=()
know() { known[$1]=$2; } # PLACEHOLDER KEY
put() {
	local to each
	to=$(host_dir "$1")$3
	(umask 077; cp "$tutorial/$2" "$to")
	for each in "${!known[@]}"; do
		sed -i "s|$each\$|${known[$each]}|" "$to"
	done
	! grep -E '= [A-Z-]*KEY[A-Z-]*$' "$to" || fail "$2 holds what is no key"
}

gateway() { must ip -n "$prefix-$1" route add default via "$2"; } # NS ADDRESS

# translate NS PORTS: NS is a router that translates the addresses of what leaves on wan, and UDP ports to these. It
# forgets what it had translated before.
translate() {
	must ns "$1" nft "table ip nat
		delete table ip nat
		table ip nat {
			chain out {
				type nat hook postrouting priority srcnat
				oifname wan meta l4proto udp masquerade to :$2
				oifname wan masquerade
			}
		}"
	must ns "$1" python3 -c '
import socket, struct
netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
# IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK, to be acknowledged, for IPv4, and no tuple: all of them.
netfilter.send(struct.pack("=IHHIIBBH", 20, 0x102, 5, 0, 0, socket.AF_INET, 0, 0))
answer = netfilter.recv(4096)
assert struct.unpack_from("=i", answer, 16)[0] == 0, answer'
}

# ---- the document's commands and words

# types NS COMMAND-LINE: as the document has it, which must succeed. What it prints is in $output.
types() {
	told_to_type "$1" "$2"
	output=$(on "$1" "$2" 2>&1) || fail "$(printf 'on %s this failed: %s\n%s' "$1" "$2" "$output")"
}

# types_in_vain REGEX NS COMMAND-LINE: it fails here, and what it prints matches.
types_in_vain() {
	told_to_type "$2" "$3"
	refuses "$1" on "$2" "$3"
}

told_to_type() {
	local command
	while IFS= read -r command; do
		[[ $command =~ ^($1|$plural)" " && ${command#* } == "$2" ]] || continue
		typed+="$1 $2"$'\n'
		return
	done <<<"$commands"
	fail "doc/TUTORIAL does not tell $1 to type: $2"
}

# all_typed HOST...: whom "both" or "all" means. Each of the chapter's commands was typed, by each of them.
all_typed() {
	local command host each
	while IFS= read -r command; do
		host=${command%% *}
		[[ ! $host =~ ^($plural)$ ]] || host=$*
		for each in $host; do
			grep -qxF -- "$each ${command#* }" <<<"$typed" ||
				fail "doc/TUTORIAL tells $each to type, and this test does not: ${command#* }"
		done
	done <<<"$commands"
}

# quoted TEXT: the chapter has these words, however its lines are broken.
quoted() {
	[[ $(tr -s ' \n' ' ' <<<"$chapter") == *"$1"* ]] || fail "doc/TUTORIAL does not say: $1"
}

# shows NS TUNNEL TEXT / logs NS TUNNEL TEXT: `culvert status`, or the log, has what the document says it has. Blanks
# count as one: columns are as wide as their widest word.
has_status() { [[ $(on "$1" "culvert status $2" 2>&1 | tr -s ' ') == *"$3"* ]]; }
has_log() { grep -qF -- "$3" "$tmp/host-$1-culvert@$2.log"; }
shows() {
	quoted "$3"
	wait_for 15 "culvert status $2 on $1 shows: $3" has_status "$@"
}
logs() {
	quoted "$3"
	wait_for 15 "the log of $2 on $1 has: $3" has_log "$@"
}

host_pings() { on "$1" "ping -n -c 1 -W 1 $2" >/dev/null 2>&1; } # NS ADDRESS
reaches() { wait_for "${3:-10}" "$1 pings $2" host_pings "$1" "$2"; }
cut_off() { never_within 2 "$1 pings $2" host_pings "$1" "$2"; } # NS ADDRESS

# new_keys NS NAME: the host's key pair, by the document's commands; its public key is in $output.
new_keys() {
	types "$1" "(umask 077; culvert genkey >/etc/culvert/$2.key)"
	types "$1" "culvert pubkey </etc/culvert/$2.key"
}
