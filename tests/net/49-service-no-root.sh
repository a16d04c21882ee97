#!/bin/bash
# SPDX-License-Identifier: ISC
# A monitor that is not root, as contrib/systemd/no-root.conf starts it: what works, what is refused, and that what
# parses the internet's bytes cannot reach it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/manager.sh"
need_culvert

user=61234 place=/run/culvert-monitor
[ ! -e $place ] || skip "there is a $place already"
remove_place() { rm -rf "$place"; }
also_clean=remove_place
chmod 711 "$tmp"
install -m 755 "$build/culvert" "$tmp/culvert"

# as_user USER CAPABILITIES COMMAND...: for a shell to become it, as a service manager starts it; the capabilities as setpriv writes them.
as_user() {
	local who=$1 rights=$2
	shift 2
	exec setpriv --reuid "$who" --regid "$who" --clear-groups --no-new-privs --bounding-set "-all$rights" \
		--inh-caps "-all$rights" --ambient-caps "-all$rights" "$@"
}
export -f as_user
all_rights=,+net_admin,+setuid,+setgid

# start_without_root NS COMMAND...: culvert COMMAND NAME, in the background.
start_without_root() {
	local name=$1
	shift
	: >>"$tmp/culvert-$name.log"
	background_in "$name" "culvert-$name" env NOTIFY_SOCKET="$tmp/notify" CREDENTIALS_DIRECTORY="$tmp/credentials" \
		bash -c 'as_user "$@"' as_user $user $all_rights "$tmp/culvert" "$@" "$(dev "$name")"
}

# The tunnel's file becomes a credential of the user.
hand_over() { # NS
	rm -rf "$tmp/credentials"
	install -d -m 500 -o $user -g $user "$tmp/credentials"
	install -m 400 -o $user -g $user "$(conf "$1")" "$tmp/$1.key" "$tmp/credentials/" || fail "no credentials"
}

make_place() {
	rm -rf $place
	install -d -m 755 -o $user -g $user $place
}

nothing_happened() { # WHEN
	expect_host_state a "$before" "$1"
	expect_equal "what is in $place $1" "" "$(ls $place)"
}

own_user() { awk '$1 == "Uid:" { print $2, $3, $4, $5 }' "/proc/$1/status"; }
capabilities() { awk "\$1 == \"$2:\" { print \$2 }" "/proc/$1/status"; }

two_ends
own_names a
make_keys a b
add_name a peer.example "${outside4[b]}"
metrics_port=9586
interface="PrivateKeyFile = a.key\nMetrics = 127.0.0.1:$metrics_port"
peer="Name = berlin\nPublicKey = $(public b)\nAllowedIPs = 10.80.0.0/16\n$(allowed b)\nEndpoint = peer.example:$port"
write_conf a "$interface" "$peer"
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
before=$(host_state a)
start_manager
make_place
hand_over a

step "an ordinary user is told what it takes"
refuses 'takes root.*CAP_NET_ADMIN, CAP_SETUID, CAP_SETGID' \
	ns a setpriv --reuid $user --regid $user --clear-groups "$tmp/culvert" run "$(dev a)"
refuses 'lacks: CAP_SETUID, CAP_SETGID\)' ns a bash -c 'as_user "$@"' as_user $user ,+net_admin "$tmp/culvert" run x
nothing_happened "after a start without rights"

step "hooks are refused before anything is done"
for hook in PreUp PostUp PreDown PostDown; do
	write_conf a "$interface\n$hook = touch $tmp/hook" "$peer"
	hand_over a
	refuses "$hook is given, and hooks are refused \(--no-hooks\)" \
		ns a timeout 10 "$build/culvert" run --no-hooks "$(conf a)"
	start_without_root a run
	wait_for 10 "it ends" gone culvert-a
	unset "pid_of[culvert-a]"
	grep -q "$hook is given, and hooks are run by root alone" "$tmp/culvert-a.log" || fail "$hook was not refused"
done
write_conf a "$interface\nSaveConfig = true" "$peer"
hand_over a
start_without_root a run
wait_for 10 "it ends" gone culvert-a
unset "pid_of[culvert-a]"
grep -q 'SaveConfig = true takes root' "$tmp/culvert-a.log" || fail "SaveConfig was not refused"
[ ! -e "$tmp/hook" ] || fail "a hook was run"
nothing_happened "after a start with hooks"

step "the engine must be another user"
printf 'me:x:%s:%s::/:/bin/false\n' $user $user | cat /etc/passwd - >"/etc/netns/$prefix-a/passwd"
write_conf a "$interface\nUser = me" "$peer"
hand_over a
start_without_root a run --no-hooks
wait_for 10 "it ends" gone culvert-a
unset "pid_of[culvert-a]"
grep -q 'User = me is the user or group that culvert itself runs as' "$tmp/culvert-a.log" || fail "the user was not refused"
nothing_happened "after a start with one user for all"

step "traffic, the name looked up, READY"
interface+="\nDNS = 10.9.0.2"
write_conf a "$interface" "$peer"
hand_over a
start_without_root a run --no-hooks
wait_tunnel a
wait_for 10 "READY" told '^READY=1'
pings_both a b
expect_equal "the state" up "$(status_of a '.peers[0].state')"
monitor=$(status_of a .pid) engine=$(engine_pid a)
expect_equal "users of the monitor" "$user $user $user $user" "$(own_user "$monitor")"
expect_equal "ambient capabilities of the monitor" 0000000000000000 "$(capabilities "$monitor" CapAmb)"
expect_equal "no_new_privs and seccomp of the monitor" "1 2" \
	"$(awk '$1 == "NoNewPrivs:" { print $2 } $1 == "Seccomp:" { print $2 }' "/proc/$monitor/status" | xargs)"
expect_match "metrics" 'wireguard_sent_bytes_total' "$(ns a curl -s "http://127.0.0.1:$metrics_port/metrics")"

step "the engine and the metrics process cannot reach the monitor"
mapfile -t children < <(pgrep -P "$monitor")
expect_equal "processes" 2 "${#children[@]}"
for pid in "${children[@]}"; do
	expect_equal "capabilities of $pid" "0000000000000000 0000000000000000 0000000000000000" \
		"$(capabilities "$pid" CapInh) $(capabilities "$pid" CapPrm) $(capabilities "$pid" CapEff)"
	[[ " $(own_user "$pid") " != *" $user "* ]] || fail "process $pid is the monitor's user"
done
# As the engine is, so is who tries; that it tries right is shown by the monitor's own user, who may.
cat >"$tmp/reach.py" <<'EOF'
import ctypes, os, sys
os.setgroups([])
os.setresgid(int(sys.argv[2]), int(sys.argv[2]), int(sys.argv[2]))
os.setresuid(int(sys.argv[1]), int(sys.argv[1]), int(sys.argv[1]))
monitor, files = int(sys.argv[3]), sys.argv[4:]
libc = ctypes.CDLL(None, use_errno=True)
reached = []
try:
    os.kill(monitor, 0)
    reached.append("kill")
except PermissionError:
    pass
if libc.ptrace(0x4206, monitor, 0, 0) == 0:  # PTRACE_SEIZE
    reached.append("ptrace")
for name in ["/proc/%d/environ" % monitor, "/proc/%d/mem" % monitor, "/proc/%d/fd" % monitor] + files:
    if os.access(name, os.R_OK) or os.access(name, os.W_OK):
        reached.append(name)
print(" ".join(reached))
EOF
mapfile -t ids < <(awk '$1 == "Uid:" || $1 == "Gid:" { print $2 }' "/proc/$engine/status")
files=("$place/$(dev a).sock" "$place/$(dev a).lock" "$place/$(dev a).wg" "$tmp/credentials/$(dev a).conf" "$tmp/credentials/a.key")
expect_equal "what the engine's user reaches" "" "$(python3 "$tmp/reach.py" "${ids[@]}" "$monitor" "${files[@]}")"
expect_match "what the monitor's user reaches" "kill .*$place/$(dev a).lock.*a.key" \
	"$(python3 "$tmp/reach.py" $user $user "$monitor" "${files[@]}")"

step "root asks: status and reload, for which it hands over the file; hooks are refused there, too"
# shellcheck disable=SC2016,SC2120 # the inner shell expands it; options come by way of refuses
reload() { # [OPTION...], with the file as it is now in /etc
	install -D -m 600 "$(conf a)" "$tmp/etc/culvert/$(dev a).conf"
	ns a sh -c 'mount --bind "$1" /etc && shift && exec "$@"' sh "$tmp/etc" "$build/culvert" reload "$@" "$(dev a)"
}
sed -i 's,10.80.0.0/16,10.81.0.0/16,' "$(conf a)"
refuses 'a copy that was made at the start' reload
MAINPID=$engine refuses 'a copy that was made at the start' reload
export MAINPID=$monitor # as the service manager has it
must reload
# shellcheck disable=SC2119 # without options
expect_match "the name servers, as at the start" "DNS is not set: /etc/resolv.conf is not systemd-resolved's" "$(reload 2>&1)"
expect_equal "open files of the monitor that are the tunnel's" 0 \
	"$(find -L "/proc/$monitor/fd" -samefile "$tmp/etc/culvert/$(dev a).conf" | wc -l)"
[ -n "$(ip -n "$prefix-a" route show 10.81.0.0/16)" ] || fail "the reload added no route"
sed -i '/^\[Interface\]/a PostUp = true' "$(conf a)"
refuses 'PostUp is given, and hooks are refused' reload
unset MAINPID
refuses 'PostUp is given, and hooks are refused' reload --hand-over
"$build/culvert" status "$(dev a)" >"$tmp/status"
expect_equal "exit status of culvert status, without DNS" 4 $?
grep -q berlin "$tmp/status" || fail "culvert status does not show the peer"
"$build/culvert" status >"$tmp/status"
expect_match "exit status of culvert status, by the other tunnels here" '^[34]$' $?
grep -q berlin "$tmp/status" || fail "culvert status without a name does not show the peer"

step "an engine that hangs is ended all the same"
kill -STOP "$engine"
stop_background culvert-a
expect_equal "exit status" 0 $?
[ ! -d "/proc/$engine" ] || fail "the engine is still there"
expect_equal "what is left" "$(dev a).lock" "$(ls $place)"
must ns a "$build/culvert" down "$(dev a)"
expect_host_state a "$before" "after the stop"

step "a look-up that hangs is ended all the same"
background_in a silence socat -u UDP4-RECV:53,bind=127.0.0.1 /dev/null
wait_for 5 "a name server that says nothing" udp_bound a 53
sed -i '$a options timeout:30' "/etc/netns/$prefix-a/resolv.conf"
sed -i '/peer.example/d' "/etc/netns/$prefix-a/hosts"
start_without_root a run --no-hooks
wait_for 10 "the tunnel runs" tunnel_up a
monitor=$(status_of a .pid)
looks_up() { lookup=$(pgrep -P "$monitor" culvert-resolve); }
wait_for 5 "it looks up" looks_up
[[ " $(own_user "$lookup") " != *" $user "* ]] || fail "process $lookup is the monitor's user"
stop_background culvert-a
expect_equal "exit status" 0 $?
lookup_gone() { [ ! -d "/proc/$lookup" ]; }
wait_for 2 "the look-up is gone" lookup_gone
stop_background silence
add_name a peer.example "${outside4[b]}"

step "a kill switch without root: closed at boot, after a kill, opened by root"
write_conf a "PrivateKeyFile = a.key\nKillSwitch = yes" "${peer/peer.example/${outside4[b]}}"
hand_over a
blocked() { ! ns a ip route get 10.80.1.1 >/dev/null 2>&1; }
start_without_root a block
wait_for 10 "block ends" gone culvert-a
unset "pid_of[culvert-a]"
blocked || fail "block has not closed it"
start_without_root a run --no-hooks
wait_tunnel a
! blocked || fail "the tunnel is not open"
pings a "${inside4[b]}"
must "$build/culvert" pause "$(dev a)" 60
expect_equal "the switch" paused "$(status_of a .kill_switch)"
must "$build/culvert" pause "$(dev a)" 0
expect_equal "the switch" on "$(status_of a .kill_switch)"
# The socket of a tunnel that was root's and was killed.
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "/run/culvert/$(dev a).sock"
expect_equal "the switch" on "$(status_of a .kill_switch)"
rm "/run/culvert/$(dev a).sock"
kill -9 "$(engine_pid a)" "$(status_of a .pid)"
{ wait "${pid_of[culvert-a]}"; } 2>/dev/null
unset "pid_of[culvert-a]"
wait_for 5 "the device goes" no_device a
blocked || fail "the kill switch did not survive"
must ns a "$build/culvert" down "$(dev a)"
expect_host_state a "$before" "after culvert down"
start_without_root a run --no-hooks
wait_tunnel a
stop_background culvert-a
expect_equal "exit status" 0 $?
expect_equal "what is left" "$(dev a).lock" "$(ls $place)"
expect_host_state a "$before" "at the end"

step "what root's tunnel has left is root's to put back, and the other way round"
must ns a "$build/culvert" block "$(conf a)"
start_without_root a run --no-hooks
wait_for 10 "it ends" gone culvert-a
unset "pid_of[culvert-a]"
expect_match "why" "$(dev a) was started as root and has left .*'culvert down $(dev a)' as root" \
	"$(tail -n 3 "$tmp/culvert-a.log" | tr '\n' ' ')"
blocked || fail "it has opened root's switch"
must ns a "$build/culvert" down "$(dev a)"
expect_host_state a "$before" "after root's block and down"
start_without_root a block
wait_for 10 "block ends" gone culvert-a
unset "pid_of[culvert-a]"
refuses "started without root and has left" ns a "$build/culvert" block "$(conf a)"
refuses "started without root and has left" ns a timeout 10 "$build/culvert" run "$(conf a)"
blocked || fail "it has opened the user's switch"
must ns a "$build/culvert" down "$(dev a)"
expect_host_state a "$before" "after the user's block and down"

step "a device that Persistent keeps is deleted first, as the message says"
write_conf a "$interface\nPersistent = yes" "$peer"
hand_over a
start_without_root a run --no-hooks
wait_tunnel a
stop_background culvert-a
refuses "'culvert down $(dev a)' as root; a device that this says stays" ns a timeout 10 "$build/culvert" run "$(conf a)"
expect_match "what down says" "the device $(dev a) stays \(Persistent\): ip link delete dev $(dev a)" "$(ns a "$build/culvert" down "$(dev a)")"
must ip -n "$prefix-a" link delete "$(dev a)"
must ns a "$build/culvert" down "$(dev a)"
bring_up a
stop_background culvert-a
must ip -n "$prefix-a" link delete "$(dev a)"
must ns a "$build/culvert" down "$(dev a)"
expect_host_state a "$before" "after a device that stayed"
write_conf a "$interface" "$peer"

step "root's own monitor, which has a copy as well, is given the file without being asked twice"
hand_over a
chown -R 0:0 "$tmp/credentials"
background_in a culvert-a env CREDENTIALS_DIRECTORY="$tmp/credentials" "$build/culvert" run "$(dev a)"
wait_tunnel a
sed -i 's,10.80.0.0/16,10.81.0.0/16,' "$(conf a)"
must reload
[ -n "$(ip -n "$prefix-a" route show 10.81.0.0/16)" ] || fail "the reload added no route"
stop_background culvert-a
expect_equal "exit status" 0 $?
expect_host_state a "$before" "after root's tunnel"

step "root acts on the user's files as that user, wherever they lead"
(umask 077 && echo 'block 10.80.0.0/16 table 254' >"$place/$(dev a).state")
refuses 'Permission denied' ns a "$build/culvert" down "$(dev a)"
ln -sf "$tmp/a.key" "$place/$(dev a).state"
refuses 'symbolic links' ns a "$build/culvert" down "$(dev a)"
rm "$place/$(dev a).state"
mkfifo "$place/$(dev a).state" "$place/$(dev a).dns"
chown $user:$user "$place/$(dev a)".*
refuses 'Invalid argument' ns a timeout 10 "$build/culvert" down "$(dev a)"
rm "$place/$(dev a).state"
refuses "cannot read the record" ns a timeout 10 "$build/culvert" down "$(dev a)"
rm -f "$place/$(dev a).dns"

step "what the user says and names does nothing to root's terminal"
cat >"$tmp/evil.py" <<'EOF'
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    client = listener.accept()[0]
    while chunk := client.recv(100):
        if chunk.endswith(b"\n"):
            client.sendall(b"problem=\x1b[2Jgone\nresult=failed\n\n")
            break
    client.close()
EOF
background evil python3 "$tmp/evil.py" "$place/$(dev a).sock"
wait_for 5 "it listens" test -S "$place/$(dev a).sock"
ln -s $'l\033oop.sock' "$place/"$'l\033oop.sock'
for command in "reload $(dev a)" "pause $(dev a) 1" status; do
	# shellcheck disable=SC2086 # words on purpose
	"$build/culvert" $command >"$tmp/said" 2>&1 && fail "$command believes it"
	! grep -q $'\033' "$tmp/said" || fail "$command tells the terminal what the user wants"
	grep -qE '\?\[2Jgone|l\?oop' "$tmp/said" || fail "$command does not say what is wrong: $(cat "$tmp/said")"
done
stop_background evil
rm -f "$place/"*oop.sock "$place/$(dev a).sock"

step "a kernel setting that a tunnel of the user's needs stays when root's has gone"
key=net/ipv4/conf/all/src_valid_mark
must ns a sh -c "echo 1 >/proc/sys/$key"
printf "netns %s\nsysctl $key 0\n" "$(ns a stat -L -c %i /proc/self/ns/net)" | tee "$place/other.state" >"/run/culvert/$(dev a).state"
must ns a "$build/culvert" down "$(dev a)"
expect_equal "$key" 1 "$(ns a cat "/proc/sys/$key")"
rm "$place/other.state"
must ns a sh -c "echo 0 >/proc/sys/$key"

step "of kernel settings it puts back that which culvert sets"
must ns a sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
printf 'netns %s\nsysctl net/ipv4/ip_forward 0\n' "$(ns a stat -L -c %i /proc/self/ns/net)" >"$place/$(dev a).state"
chown $user:$user "$place/$(dev a).state"
must ns a "$build/culvert" down "$(dev a)"
expect_equal "net.ipv4.ip_forward" 1 "$(ns a cat /proc/sys/net/ipv4/ip_forward)"
pass
