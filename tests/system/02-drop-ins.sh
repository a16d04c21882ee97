#!/bin/bash
# SPDX-License-Identifier: ISC
# The packaged drop-ins for a monitor without root, as culvert(8) says to install them: start, reload, stop; the kill
# switch closed at boot, kept after a kill, opened by a stop.
. "$(dirname "$0")/lib.sh"

elsewhere=10.80.0.1 # at b's site

write_a() { # INTERFACE-LINES PEER-LINES
	write_site a "$1" "PublicKey = $(public b)\nEndpoint = ${outside4[b]}:$port\n$(allowed b), 10.80.0.0/16\n$2"
}

install_drop_ins() {
	local root units examples=/usr/share/doc/culvert/examples
	root=$(root_of a)
	units=$root/etc/systemd/system
	mkdir -p "$units/culvert@.service.d" "$units/culvert-block@.service.d"
	sed 's,^#LoadCredential=office.key.*,LoadCredential=site.key:/etc/culvert/site.key,' "$root$examples/no-root.conf" \
		>"$units/culvert@.service.d/no-root.conf"
	grep -q '^LoadCredential=site.key' "$units/culvert@.service.d/no-root.conf" || fail "the example has no line for a key"
	must cp "$root$examples/no-root-block.conf" "$units/culvert-block@.service.d/"
}

# What a tunnel changes.
network_of_a() {
	on a ip -4 rule
	on a ip -6 rule
	on a ip -4 route show table all
	on a ip -6 route show table all
	on a ip link show
}
is_as_before() { [ "$(network_of_a)" = "$before" ]; }
back_as_before() { # WHEN
	wait_for 5 "a's network is as before $1" is_as_before
	expect_equal "what is left $1" site.lock "$(on a ls /run/culvert-monitor)"
	expect_equal "the service's result $1" "inactive success" "$(unit a "$service" ActiveState) $(unit a "$service" Result)"
}
closed() { ! on a ip route get "$elsewhere" >/dev/null 2>&1; }
started_again() { [ "$(unit a "$service" MainPID)" != "$killed" ] && is_up; }

step "the package, and two machines"
build_package
make_base
add_lan
add_machine a
add_machine b
make_keys a b
write_a "" ""
write_site b "" "PublicKey = $(public a)\n$(allowed a)"
install_drop_ins
boot a
boot b
wait_booted a
wait_booted b
before=$(network_of_a)

step "start: up, as another user"
must on b systemctl start "$service"
must on a systemctl start "$service"
wait_for 20 "the tunnel" is_up
monitor=$(unit a "$service" MainPID)
expect_equal "the monitor's user" culvert-monitor "$(on a stat -c %U "/proc/$monitor")"
expect_equal "no_new_privs and seccomp of the monitor" "1 2" \
	"$(on a sed -n 's/^\(NoNewPrivs\|Seccomp\):\t//p' "/proc/$monitor/status" | xargs)"

step "reload: by the service's own process the file as it is now"
write_a "" "PersistentKeepalive = 25"
must on a systemctl reload "$service"
expect_equal "the keepalive" 25 "$(json a '.peers[0].persistent_keepalive')"

step "stop: nothing is left"
must on a systemctl stop "$service"
back_as_before "after the stop"

step "the kill switch: closed before the start, kept after a kill, opened by a stop"
write_a "KillSwitch = yes" ""
must on a systemctl start culvert-block@site
closed || fail "the block has not closed it"
must on a systemctl start "$service"
wait_for 20 "the tunnel" is_up
killed=$(unit a "$service" MainPID)
must on a systemctl kill --kill-whom=all --signal=KILL "$service"
closed || started_again || fail "the switch has opened after a kill"
wait_for 30 "it is started again" started_again
must on a systemctl stop "$service"
back_as_before "after a kill, a start and a stop"
pass
