#!/bin/bash
# SPDX-License-Identifier: ISC
# The Debian package on two machines with systemd and systemd-resolved: a's service from its installation to the next
# boot, with the hardening of the packaged units.
. "$(dirname "$0")/lib.sh"

inside_name=intranet.corp.example inside_address=10.80.0.1 # at b's site
elsewhere=198.51.100.9 elsewhere6=2001:db8:9::1            # in the internet: the router has it, and so has b

write_both() {
	make_keys a b
	write_site a "DNS = ${inside4[b]}, corp.example" "PublicKey = $(public b)\nEndpoint = b.example:$port\n$(allowed b), 10.80.0.0/16"
	write_site b "SaveConfig = true\nPostUp = ip addr replace $inside_address/32 dev lo" "PublicKey = $(public a)\n$(allowed a)"
}

status_text() { unit a "$service" StatusText; }
says_up() { [[ $(status_text) =~ (^|[^a-z])up([^a-z]|$) ]]; }

# The addresses of a name, as all programs of a machine see them; and its question at the server behind the tunnel.
address_of() { on a getent ahostsv4 "$1" | awk 'NR == 1 { print $1 }'; }
asked() { grep -qx "$1 $2" "$tmp/$3.log"; } # NAME CLIENT SERVER
resolves() { [ "$(address_of "$1")" = "$2" ]; }

# The resolvers: outside, which the machines' network hands out, and the one behind the tunnel, at b.
start_outside() { background_in lan outside python3 "$top/tests/system/dns.py" "$router4" "$tmp/outside.names"; }
start_inside() {
	background inside nsenter -t "$(first_process b)" -n python3 "$top/tests/system/dns.py" "${inside4[b]}" "$tmp/inside.names"
}

dns_through_tunnel() {
	wait_for 10 "a name of b's site" resolves "$inside_name" "$inside_address"
	asked "$inside_name" "${inside4[a]}" inside || fail "b's server was not asked through the tunnel"
	! grep -q corp.example "$tmp/outside.log" || fail "the server outside was asked for a name inside"
}

# Everything that a tunnel changes.
machine_state() { # NAME
	local what
	for what in "link show" "addr show" "-4 route show table all" "-6 route show table all" "-4 rule" "-6 rule"; do
		# shellcheck disable=SC2086 # words on purpose
		on "$1" ip $what | sed 's/valid_lft.*//'
	done
	on "$1" resolvectl status
	on "$1" sh -c 'cat /proc/sys/net/ipv4/conf/all/src_valid_mark /etc/resolv.conf; ls -l /etc/resolv.conf
		ls /run/culvert | grep -v "[.]lock$"; ls /run/wireguard; ls -A /etc/culvert' 2>/dev/null
}
machine_state_is() { [ "$(machine_state "$1")" = "$2" ]; }
expect_machine_state() { # NAME STATE WHEN
	within 5 machine_state_is "$1" "$2" && return
	fail "$(printf '%s is not as it was %s:\n' "$1" "$3"; diff <(printf '%s' "$2") <(machine_state "$1"))"
}

# complaints NAME: warnings and errors of the service.
no_complaints() { # NAME
	# Of locked memory where not even the machine's manager may raise the limit.
	expect_equal "warnings in $1's log" "" \
		"$(on "$1" journalctl -q -b -u "$service" -p warning -o cat | grep -v 'keys may be written to swap')"
}

# From the first moment there is a network on, a sends to where only the tunnel may lead.
add_leaker() {
	cat >"$(root_of a)/etc/systemd/system/leaker.service" <<-UNIT
		[Unit]
		DefaultDependencies=no
		StartLimitIntervalSec=0
		[Service]
		ExecStart=/bin/sh -c 'while :; do ping -n -c 1 -W 1 $elsewhere; ping -n -c 1 -W 1 $elsewhere6; echo >>/run/leaker; sleep 0.05; done'
		StandardOutput=null
		StandardError=null
		[Install]
		WantedBy=sysinit.target
	UNIT
}
capture_leaks() {
	background_in lan leaks tcpdump -n -i br0 -l --immediate-mode "host $elsewhere or host $elsewhere6"
	wait_for 10 "tcpdump listens" grep -q 'listening on' "$tmp/leaks.log"
}
leaked() { grep -q 'ICMP' "$tmp/leaks.log"; }
begun() { unit a "$1" "$([[ $1 == *.service ]] && printf ExecMainStart || printf ActiveEnter)TimestampMonotonic"; }
# The leaker has tried four times more.
leaker_tries() {
	local before
	before=$(on a sh -c 'wc -l </run/leaker')
	wait_for 10 "the leaker tries" leaker_tried $((before + 4))
}
leaker_tried() { [ "$(on a sh -c 'wc -l </run/leaker')" -ge "$1" ]; }
switch_holds() { # WHEN
	local address
	for address in "$elsewhere" "$elsewhere6"; do
		refuses "No route to host" on a ip route get "$address"
	done
	leaker_tries
	no_leak "$1"
}
no_leak() { ! leaked || fail "$(printf 'this left the machine past the tunnel %s:\n' "$1"; head -n 5 "$tmp/leaks.log")"; }

# As wg set does it.
set_mark() { # NAME MARK
	printf 'set=1\nfwmark=%d\n\n' "$2" | socat -t 5 - "UNIX-CONNECT:/proc/$(first_process "$1")/root/run/wireguard/site.sock" |
		grep -qx errno=0
}

engine_user() { on "$1" ps -o user= -p "$(json "$1" .engine_pid)"; }

step "the package"
build_package
make_base
add_lan
add_machine a
add_machine b
add_leaker
address lan br0 "$elsewhere/32" "$elsewhere6/128"
write_both
printf 'b.example %s\n' "${outside4[b]}" >"$tmp/outside.names"
printf '%s %s\n' "$inside_name" "$inside_address" >"$tmp/inside.names"
start_outside

step "two machines boot"
boot a
boot b
wait_booted a
wait_booted b
for name in a b; do
	expect_equal "$name's service, just installed" inactive "$(unit "$name" "$service" ActiveState)"
	expect_equal "/etc/culvert" "700 root" "$(on "$name" stat -c '%a %U' /etc/culvert)"
done
wait_for 20 "the name of b's machine" resolves b.example "${outside4[b]}"
state_a=$(machine_state a)
state_b=$(machine_state b)

step "enabled and started: ready, with a status"
must on a systemctl enable --now "$service"
expect_equal "a's service" "active running" "$(unit a "$service" ActiveState) $(unit a "$service" SubState)"
[ "$(json a .state)" = running ] || fail "ready before it runs"
must on b systemctl enable --now "$service"
wait_for 20 "traffic" is_up
wait_for 10 "the status line" says_up
expect_equal "the engine's user" "culvert" "$(engine_user a)"

step "traffic"
for address in "${inside4[b]}" "${inside6[b]}" "$inside_address"; do
	wait_for 5 "ping $address" ping_ok a "$address"
done

step "DNS through the tunnel"
start_inside
expect_equal "DNS's back end" systemd-resolved "$(json a .dns.backend)"
expect_match "resolved's settings" "corp\.example" "$(on a resolvectl domain site)"
dns_through_tunnel
expect_equal "a name outside, at the same time" "${outside4[b]}" "$(address_of b.example)"
no_complaints a
no_complaints b

must on a systemctl restart systemd-resolved
dns_through_tunnel

step "reload, without a lost ping"
pinged() { [ "$(grep -c "bytes from" "$tmp/pings.log")" -ge "$1" ]; }
background pings nsenter -t "$(first_process a)" -n ping -n -i 0.05 "${inside4[b]}"
wait_for 5 "pings before" pinged 5
sed -i 's/^Endpoint.*/&\nPersistentKeepalive = 25/; s/^DNS.*/&, lab.example/' "$(root_of a)/etc/culvert/site.conf"
must on a systemctl reload "$service"
expect_match "resolved's settings" "lab\.example" "$(on a resolvectl domain site)"
expect_equal "the keepalive" 25 "$(json a '.peers[0].persistent_keepalive')"
echo 'Nonsense = 1' >>"$(root_of a)/etc/culvert/site.conf"
! on a systemctl reload "$service" 2>/dev/null || fail "systemctl reload does not tell that the file is wrong"
active a || fail "a reload that failed ended the service"
sed -i '/Nonsense/d' "$(root_of a)/etc/culvert/site.conf"
must on a systemctl reload "$service"
wait_for 5 "pings after" pinged $(($(grep -c "bytes from" "$tmp/pings.log") + 5))
stop_background pings INT
read -r sent received <<<"$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$tmp/pings.log")"
expect_at_most "lost pings (one may be on its way at the end)" 1 $((sent - received))

step "the watchdog: whichever process hangs, the tunnel is started again"
on a mkdir -p "/run/systemd/system/$service.d"
printf '[Service]\nWatchdogSec=3\n' | on a tee "/run/systemd/system/$service.d/watchdog.conf" >/dev/null
must on a systemctl daemon-reload
must on a systemctl restart "$service"
restarts=0
for hangs in "$(unit a "$service" MainPID)" engine; do
	[ "$hangs" != engine ] || hangs=$(json a .engine_pid)
	must on a kill -STOP "$hangs"
	restarts=$((restarts + 1))
	wait_for 30 "a restart" unit_is a "$service" NRestarts "$restarts"
	wait_for 20 "the tunnel is back" is_up
	dns_through_tunnel
done
expect_at_least "times that systemd named the watchdog" 2 \
	"$(on a journalctl -q -b -u "$service" -o cat | grep -c "Failed with result 'watchdog'")"
active a || fail "a's service is not active"

step "an upgrade of the package leaves the tunnel alone"
before=$(unit a "$service" MainPID)
must on a dpkg --install /var/cache/culvert.deb
expect_equal "the monitor" "$before active" "$(unit a "$service" MainPID) $(unit a "$service" ActiveState)"

step "stopping it leaves nothing, but what SaveConfig asks for"
must set_mark b 0x77
must on a systemctl stop "$service"
must on b ip addr del "$inside_address/32" dev lo
must on b systemctl stop "$service"
grep -qx 'FwMark = 0x77' "$(root_of b)/etc/culvert/site.conf" || fail "b's SaveConfig did not write the mark"
on a rm -r "/run/systemd/system/$service.d"
must on a systemctl daemon-reload
expect_equal "result" success "$(unit a "$service" Result)"
expect_machine_state a "$state_a" "after stop"
expect_machine_state b "$state_b" "after stop"

step "a boots, with its peer down and no name server; then they come"
power_off a
power_off b
stop_background outside >/dev/null
boot a
wait_booted a
active a || fail "the service is not active: $(unit a "$service" Result), $(status_text)"
expect_equal "restarts" 0 "$(unit a "$service" NRestarts)"
! is_up >/dev/null || fail "it says that it is up"
expect_equal "the peer" unresolved "$(json a '.peers[0].state')"
start_outside
boot b
wait_for 90 "the tunnel comes up" ping_ok a "${inside4[b]}"
stop_background inside
start_inside
dns_through_tunnel

step "culvert.target: starting it starts those that are enabled, stopping it stops all"
must on a systemctl stop culvert.target
wait_for 20 "the tunnel ends" unit_is a "$service" ActiveState inactive
must on a systemctl start culvert.target
wait_for 20 "the tunnel is back" active a

step "the kill switch: closed at boot before the network, and with nobody there to open it"
power_off a
must in_tree a systemctl disable "$service"
must in_tree a systemctl enable culvert-block@site.service leaker.service
write_site a "KillSwitch = yes\nDNS = ${inside4[b]}" "PublicKey = $(public b)\nEndpoint = ${outside4[b]}:$port\nAllowedIPs = 0.0.0.0/0, ::/0"
capture_leaks
boot a
wait_booted a
expect_equal "culvert-block" active "$(unit a culvert-block@site.service ActiveState)"
for unit in network-pre.target systemd-networkd.service; do
	expect_at_least "when $unit was begun" "$(unit a culvert-block@site.service ExecMainExitTimestampMonotonic)" \
		"$(begun "$unit")"
done
wait_for 10 "the local network is reachable" ping_ok a "$router4"
leaker_tries
switch_holds "with culvert-block@ alone"
for action in "systemctl restart systemd-networkd" "networkctl reconfigure host0"; do
	# shellcheck disable=SC2086 # words on purpose
	must on a $action
	wait_for 10 "networkd has set the network up" ping_ok a "$router4"
	switch_holds "after $action"
done

step "the tunnel takes the switch over, and keeps it when it is killed"
must on b ip addr add "$elsewhere/32" dev lo
must on b ip addr add "$elsewhere6/128" dev lo nodad
must on a systemctl start "$service"
wait_for 20 "traffic through the tunnel" ping_ok a "$elsewhere"
wait_for 5 "IPv6 through the tunnel" ping_ok a "$elsewhere6"
resolves secret.example nowhere
asked secret.example "${inside4[a]}" inside || fail "b's server is not the one for all names"
! grep -q secret.example "$tmp/outside.log" || fail "the server outside was asked in spite of the full tunnel"
must on a networkctl reconfigure host0
wait_for 10 "traffic when networkd has set the network up anew" ping_ok a "$elsewhere"
must on a systemctl kill --signal=KILL "$service"
wait_for 20 "a restart" unit_is a "$service" NRestarts 1
wait_for 20 "traffic after it" ping_ok a "$elsewhere"
leaker_tries
no_leak "while the tunnel ran"

step "stopping opens it: what was looked for is seen"
must on a systemctl stop "$service"
wait_for 10 "a packet past the tunnel" leaked

# Closed: there is no way to what belongs into the tunnel.
is_closed() { ! on a ip route get "$elsewhere" >/dev/null 2>&1; }
remove_package() { # remove|purge
	must on a env DEBIAN_FRONTEND=noninteractive apt-get "$1" -y culvert
	! on a pgrep -x culvert || fail "a process of the tunnel is left"
	expect_machine_state a "$state_a" "after apt-get $1"
}

step "the package is removed: a switch that nobody holds is opened"
must on a systemctl enable "$service"
must on a systemctl stop culvert-block@site.service
state_a=$(machine_state a)
must on a culvert block site
is_closed || fail "culvert block does not close it"
remove_package remove

step "installed again: systemd knows the units, and what was enabled is"
must on a dpkg --install /var/cache/culvert.deb
must on a systemctl restart culvert-block@site.service
is_closed || fail "culvert-block@ does not close it"
must on a systemctl start "$service"
expect_equal "a's service" enabled "$(on a systemctl is-enabled "$service")"

step "the package is purged: what runs is ended, and nothing is enabled"
remove_package purge
expect_equal "what is left in systemd's folder" "" "$(on a find /etc/systemd/system -name 'culvert*')"
pass
