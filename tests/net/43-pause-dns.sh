#!/bin/bash
# SPDX-License-Identifier: ISC
# culvert pause puts the host's own DNS back for that time: a login page's name is known nowhere else. And what of DNS could
# not be put back is put back by culvert down. As in 44-host-dns.sh, /etc, /run and PATH are the tunnel's own.
# shellcheck disable=SC2016 # other shells expand it
. "$(dirname "$0")/lib.sh"
need_culvert

own_host
resolv=$host_etc/resolv.conf calls=$tmp/calls tun=$(dev a)
record=/run/culvert/$tun.dns
mkdir -p "$host_run/systemd/resolve"
printf 'nameserver 192.0.2.2\n' >"$resolv"

write_a() { # DNS
	write_conf a "PrivateKeyFile = a.key\nKillSwitch = yes\n${1:+DNS = $1}" \
		"PublicKey = $(public b)\nAllowedIPs = 0.0.0.0/0\nEndpoint = $(endpoint_of b 4)"
}
start_a() { # DNS
	write_a "$1"
	: >"$calls"
	start_on_own_host a "$(conf a)"
	wait_tunnel a
}
reload_a() { # DNS
	write_a "$1"
	must ns a "$build/culvert" reload "$tun"
}
pause() { must ns a "$build/culvert" pause "$tun" "$1"; }
down() { on_own_host a "$build/culvert" down "$tun"; }

# The host's own DNS, or the tunnel's with this server, as each of the three shows it.
own_by_file() { [ "$(cat "$resolv")" = 'nameserver 192.0.2.2' ] && [ ! -e "$resolv.culvert-$tun" ]; }
tunnels_by_file() { grep -qx "nameserver $1" "$resolv"; }
own_by_resolvconf() { [ "$(tail -n 1 "$calls")" = "resolvconf -d $tun -f" ]; }
tunnels_by_resolvconf() { [ "$(tail -n 1 "$calls")" = "nameserver $1" ]; }
own_by_resolved() { [ "$(tail -n 1 "$calls")" = "resolvectl revert $tun" ]; }
tunnels_by_resolved() { [ "$(tail -n 1 "$calls")" = "resolvectl dns $tun $1" ]; }
is_own() { "own_by_$by" && [ ! -e "$record" ]; }
expect_own() { is_own || fail "$by: not the host's own DNS $1: $(cat "$resolv" "$calls")"; }
expect_tunnels() { "tunnels_by_$by" "$1" || fail "$by: not the tunnel's DNS $2: $(cat "$resolv" "$calls")"; }

blocked() { ip -n "$prefix-a" route show table all type unreachable | grep -c default; }
closed() { [ "$(blocked)" -gt 0 ]; } # no grep -q: it would end ip by SIGPIPE

# A stand-in for resolvectl or resolvconf: it writes down how it was called, and its input.
fake() { # NAME [WHAT-IT-DOES-THEN]
	printf '#!/bin/sh\nPATH=/usr/bin:/bin\necho "%s $*" >>"%s"\n[ "$1" != -a ] || cat >>"%s"\n%s\n' "$1" "$calls" \
		"$calls" "${2:-exit 0}" >"$host_bin/$1"
	chmod 755 "$host_bin/$1"
}

pauses() { # BACK-END
	step "$1: the host's own in a pause, be there a reload in it, and then the tunnel's"
	start_a 10.9.0.2
	expect_equal "the back end" "$1" "$(status_of a .dns.backend)"
	expect_tunnels 10.9.0.2 "at the start"
	pause 60
	expect_own "in a pause"
	expect_equal "DNS in status" '{"backend":null,"error":null}' "$(status_of a '.dns | {backend, error} | tojson')"
	expect_match "the status for a person" "DNS: 10\.9\.0\.2 \(paused" "$("$build/culvert" status "$tun")"
	pause 60
	reload_a 10.9.0.3
	expect_own "after a reload in the pause"
	pause 0
	expect_tunnels 10.9.0.3 "after the pause"
	reload_a ""
	expect_own "without DNS in the file"
	pause 60
	reload_a 10.9.0.4
	expect_own "with some again, in a pause"
	pause 1
	wait_for 5 "the tunnel's DNS comes back by itself" "tunnels_by_$by" 10.9.0.4
	pause 60
	reload_a ""
	pause 0
	expect_own "the file having none any more"
	reload_a 10.9.0.2
	pause 60
	stop_culvert a
	expect_own "after a stop in a pause"

	step "$1: killed in a pause, there is nothing to put back"
	start_a 10.9.0.2
	pause 60
	kill_both a
	expect_own "after kill -9"
	start_a 10.9.0.2
	expect_tunnels 10.9.0.2 "after the next start"
	stop_culvert a
}

two_ends
make_keys a b
before=$(host_state a)

by='file'
pauses resolv.conf

step "a name of the network around is found in a pause"
cat >"$tmp/names.py" <<'PY'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
while True:
    q, who = s.recvfrom(512)
    end = q.index(b"\0", 12) + 5
    is_a = q[end - 4 : end - 2] == b"\0\1"
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton("192.0.2.80") if is_a else b""
    s.sendto(q[:2] + b"\x85\x80\0\1\0" + bytes([is_a]) + b"\0\0\0\0" + q[12:end] + answer, who)
PY
background_in b names python3 "$tmp/names.py" "${outside4[b]}"
wait_for 5 "the name server listens" udp_bound b 53
start_a 10.9.0.2
pause 60
expect_match "the login page's address" "192.0.2.80" "$(on_own_host a /usr/bin/getent ahostsv4 login.hotel.example)"
stop_culvert a
stop_background names

step "a tunnel that has neither rules nor switch: the pause is one of DNS"
write_conf a "PrivateKeyFile = a.key\nDNS = 10.9.0.2" "PublicKey = $(public b)\nAllowedIPs = 10.80.0.0/16"
start_on_own_host a "$(conf a)"
wait_tunnel a
pause 60
expect_own "in a pause"
pause 0
expect_tunnels 10.9.0.2 "after it"
stop_culvert a

by=resolvconf
fake resolvconf
pauses resolvconf

step "killed while DNS is being put back: culvert down does it, and says so"
start_a 10.9.0.2
fake resolvconf '[ "$1" != -d ] || exec sleep 60'
background_in a pause "$build/culvert" pause "$tun" 60
wait_for 5 "resolvconf is asked to put it back" own_by_resolvconf
kill_both a
fake resolvconf
[ -e "$record" ] || fail "nobody knows that there is something to put back"
expect_match "what is undone" "undone: dns resolvconf" "$(down)"
expect_own "after culvert down"
expect_match "a second time" "nothing to put back" "$(down)"

step "killed while DNS is being set at the end of a pause"
start_a 10.9.0.2
pause 60
fake resolvconf '[ "$1" != -a ] || exec sleep 60'
: >"$calls"
background_in a pause "$build/culvert" pause "$tun" 0
wait_for 5 "resolvconf is asked to set it" tunnels_by_resolvconf 10.9.0.2
kill_both a
fake resolvconf
expect_match "what is undone" "undone: dns resolvconf" "$(down)"
expect_own "after culvert down"

step "it cannot be put back: the pause says so, and DNS is the tunnel's after it"
start_a 10.9.0.2
fake resolvconf '[ "$1" != -d ] || exit 7'
for _ in 1 2; do
	refuses "DNS is not put back: .*resolvconf ended with status 7" ns a "$build/culvert" pause "$tun" 60
	refuses "traffic passes the tunnel by all the same" ns a "$build/culvert" pause "$tun" 60
	expect_equal "the kill switch" paused "$(status_of a .kill_switch)"
done
fake resolvconf
pause 60
expect_own "once it can be"
fake resolvconf '[ "$1" != -a ] || exit 7'
for _ in 1 2; do
	refuses "DNS is not set: .*resolvconf ended with status 7" ns a "$build/culvert" pause "$tun" 0
	expect_equal "the kill switch" on "$(status_of a .kill_switch)"
done
fake resolvconf
pause 0
expect_tunnels 10.9.0.2 "once it can be"
fake resolvconf '[ "$1" != -d ] || exit 7'
refuses "DNS is not put back" ns a "$build/culvert" pause "$tun" 60
pause 0
expect_tunnels 10.9.0.2 "after the pause"

step "a reload that can neither set DNS nor put it back: culvert down can"
fake resolvconf 'exit 7'
write_a 10.9.0.3
refuses "DNS is not set: .*still to be undone" ns a "$build/culvert" reload "$tun"
stop_culvert a
[ -e "$record" ] || fail "nobody knows that there is something to put back"
refuses "not all could be put back" down
fake resolvconf
expect_match "what is undone" "undone: dns resolvconf" "$(down)"
expect_own "after culvert down"
start_a 10.9.0.2
fake resolvconf 'exit 7'
write_a 10.9.0.3
refuses "DNS is not set" ns a "$build/culvert" reload "$tun"
fake resolvconf
stop_culvert a
expect_own "after a stop"

by=resolved
fake resolvectl
rm "$resolv"
printf 'nameserver 127.0.0.53\n' >"$resolv"
varlink=$host_run/systemd/resolve/io.systemd.Resolve
background_in a resolved socat "UNIX-LISTEN:$varlink,fork" /dev/null
wait_for 5 "something listens in its place" test -S "$varlink"
pauses systemd-resolved
start_a 10.9.0.2
pause 60
kill_both a
expect_equal "DNS that culvert down puts back after kill -9 in a pause" 0 "$(down | grep -c dns)"

step "the switch cannot be closed when the pause ends: it is tried again"
start_a 10.9.0.2
pause 2
mkdir "/run/culvert/$tun.state.new"
wait_for 5 "it is tried" has_logged a "cannot keep /run/culvert/$tun.state"
expect_equal "blocked routes" 0 "$(blocked)"
rmdir "/run/culvert/$tun.state.new"
wait_for 5 "it is closed" closed
pause 60
! closed || fail "the pause does not open"
kill -9 "$(engine_pid a)"
wait_for 10 "culvert ends" gone culvert-a
unset "pid_of[culvert-a]"
closed || fail "a tunnel that failed in a pause has left its switch open"
expect_own "after a tunnel that failed in a pause"
must down
expect_host_state a "$before" "after culvert down"

step "pause without a name: the sockets of dead tunnels do not count"
start_a 10.9.0.2
mkdir "$tmp/only"
touch "$tmp/only/$tun.sock"
background dead socat "UNIX-LISTEN:$tmp/only/dead.sock" /dev/null
wait_for 5 "a socket is there" test -S "$tmp/only/dead.sock"
stop_background dead KILL
alone="mount --bind /run/culvert/$tun.sock $tmp/only/$tun.sock && mount --rbind $tmp/only /run/culvert"
must ns a unshare -m sh -c "$alone && exec $build/culvert pause 30"
expect_own "in the pause of the only tunnel"
stop_culvert a
rm "$tmp/only/$tun.sock"
refuses "no tunnel is running" unshare -m sh -c "mount --rbind $tmp/only /run/culvert && exec $build/culvert pause 30"
expect_host_state a "$before" "in the end"
pass
