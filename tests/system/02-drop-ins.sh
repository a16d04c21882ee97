#!/bin/bash
# SPDX-License-Identifier: ISC
# The packaged drop-ins and examples of units, installed as the manual pages say. At a: a monitor without root, on a port
# of systemd's below 1024; the kill switch closed at boot, kept after a kill, opened by a stop. At b: a tunnel in a network
# namespace, from boot on, a service without any rights, and a port of systemd's.
. "$(dirname "$0")/lib.sh"

elsewhere=10.80.0.1 # at b's site
low_port=443
examples=/usr/share/doc/culvert/examples units=/etc/systemd/system
socket=culvert@site.socket

write_a() { # INTERFACE-LINES PEER-LINES
	write_site a "$1" "PublicKey = $(public b)\nEndpoint = ${outside4[b]}:$port\n$(allowed b), 10.80.0.0/16\n$2"
}
# b calls at once, and ever again: so it is b that starts a, and nobody waits for a session that the other has forgotten.
write_b() { # INTERFACE-LINES
	write_site b "$1" "PublicKey = $(public a)\nEndpoint = ${outside4[a]}:$low_port\n$(allowed a)\nPersistentKeepalive = 1"
}
# The port is the socket's to say.
without_port() { sed -i '/^ListenPort/d' "$(root_of "$1")/etc/culvert/site.conf"; } # NAME

install_socket() { # NAME ADDRESS FILE
	local root
	root=$(root_of "$1")
	sed "s/^ListenDatagram=51820$/ListenDatagram=$2/" "$root$examples/culvert@.socket" >"$root$units/$3"
	grep -qx "ListenDatagram=$2" "$root$units/$3" || fail "the example has no line for the port"
}

install_without_root() {
	local place
	place=$(root_of a)$units
	mkdir -p "$place/culvert@.service.d" "$place/culvert-block@.service.d"
	sed 's,^#LoadCredential=office.key.*,LoadCredential=site.key:/etc/culvert/site.key,' "$(root_of a)$examples/no-root.conf" \
		>"$place/culvert@.service.d/no-root.conf"
	grep -q '^LoadCredential=site.key' "$place/culvert@.service.d/no-root.conf" || fail "the example has no line for a key"
	must cp "$(root_of a)$examples/no-root-block.conf" "$place/culvert-block@.service.d/"
	install_socket a "$low_port" "$socket"
}

# With the commands of culvert.conf(5), and a service that uses the tunnel.
install_namespace() {
	local place
	place=$(root_of b)$units
	in_tree b sh -e <<-'COMMANDS' || fail "what culvert.conf(5) says of a namespace at boot"
		cd /usr/share/doc/culvert/examples
		cp culvert-netns@.service /etc/systemd/system/
		mkdir /etc/systemd/system/culvert@site.service.d
		sed 's/^#Requires/Requires/; s/^#After/After/' network-namespace.conf \
		    >/etc/systemd/system/culvert@site.service.d/network-namespace.conf
	COMMANDS
	grep -q '^Requires=culvert-netns@vpn.service' "$place/$service.d/network-namespace.conf" || fail "the example names no namespace"
	cat >"$place/user.service" <<-UNIT
		[Unit]
		Requires=$service
		After=$service
		[Service]
		NetworkNamespacePath=/run/netns/vpn
		BindReadOnlyPaths=/etc/netns/vpn/resolv.conf:/etc/resolv.conf
		ExecStart=/bin/sh -c 'cat /etc/resolv.conf; exec ping -n ${inside4[a]}'
	UNIT
	must in_tree b systemctl enable "$service"
}

# The tunnel office of a user without any rights, as culvert(8) has it; its device is networkd's.
install_without_rights() {
	local root
	root=$(root_of b)
	cat >"$root/etc/systemd/network/office.netdev" <<-DEVICE
		[NetDev]
		Name=office
		Kind=tun
		[Tun]
		User=daemon
	DEVICE
	cat >"$root/etc/systemd/network/office.network" <<-NETWORK
		[Match]
		Name=office
		[Link]
		MTUBytes=1420
		[Network]
		Address=${inside4[b]}/24
		Address=${inside6[b]}/64
		ConfigureWithoutCarrier=yes
		[Route]
		Destination=10.81.0.0/16
	NETWORK
	cat >"$root$units/office.service" <<-UNIT
		[Unit]
		After=network.target nss-lookup.target
		[Service]
		Type=notify
		User=daemon
		ExecStart=culvert run /srv/office.conf
		ExecReload=culvert reload office
		Restart=on-failure
		WatchdogSec=60
		RuntimeDirectory=office
		Environment=XDG_RUNTIME_DIR=/run/office
		[Install]
		WantedBy=multi-user.target
	UNIT
	install_socket b "${outside4[b]}:$port" office.socket
	sed -i "s/^ListenDatagram=.*/&\nListenDatagram=[${outside6[b]}]:$port/" "$root$units/office.socket"
	for file in site.conf site.key; do
		install -m 600 -o "$(in_tree b id -u daemon)" "$root/etc/culvert/$file" "$root/srv/${file/site.conf/office.conf}"
	done
	sed -i 's,^AllowedIPs.*,&\, 10.81.0.0/16,' "$root/srv/office.conf"
}

# What a tunnel changes.
network_of() { # NAME
	on "$1" ip -4 rule
	on "$1" ip -6 rule
	on "$1" ip -4 route show table all
	on "$1" ip -6 route show table all
	on "$1" ip link show
}
is_as_before() { [ "$(network_of "$1")" = "${before[$1]}" ]; } # NAME
back_as_before() { # NAME WHEN
	wait_for 5 "$1's network is as before $2" is_as_before "$1"
	expect_equal "the service's result $2" "inactive success" "$(unit "$1" "$service" ActiveState) $(unit "$1" "$service" Result)"
}
a_back_as_before() { # WHEN
	back_as_before a "$1"
	expect_equal "what is left $1" site.lock "$(on a ls /run/culvert-monitor)"
}
closed() { ! on a ip route get "$elsewhere" >/dev/null 2>&1; }
started_again() { [ "$(unit a "$service" MainPID)" != "$killed" ] && is_up; }
user_says() { on b journalctl -q -b -u user.service -o cat | grep -q "$1"; }
listens() { on "$1" ss -Hlun "sport = :$2" | grep -q .; } # NAME PORT

step "the package, and two machines"
build_package
make_base
add_lan
add_machine a
add_machine b
make_keys a b
write_a "" ""
without_port a
write_b "NetworkNamespace = vpn\nDNS = 192.0.2.53, corp.example\nPostUp = nsenter --net=/run/netns/vpn ping -n -c 1 127.0.0.1"
install_without_root
install_namespace
boot a
boot b
wait_booted a
wait_booted b
declare -A before
before[a]=$(network_of a)
before[b]=$(network_of b)

step "anybody's datagram starts it, as another user, on a port of root's"
active b || fail "b's service is not active: $(unit b "$service" StatusText)"
expect_equal "a's service" inactive "$(unit a "$service" ActiveState)"
must on a systemctl start "$socket"
ns lan bash -c "echo >/dev/udp/${outside4[a]}/$low_port"
wait_for 20 "a's service starts" active a
wait_for 20 "the tunnel" is_up
expect_equal "b's peer" "${outside4[a]}:$low_port" "$(json b '.peers[0].endpoint')"
monitor=$(unit a "$service" MainPID)
expect_equal "the monitor's user" culvert-monitor "$(on a stat -c %U "/proc/$monitor")"
expect_equal "no_new_privs and seccomp of the monitor" "1 2" \
	"$(on a sed -n 's/^\(NoNewPrivs\|Seccomp\):\t//p' "/proc/$monitor/status" | xargs)"

step "reload: by the service's own process the file as it is now"
write_a "" "PersistentKeepalive = 25"
without_port a
must on a systemctl reload "$service"
expect_equal "the keepalive" 25 "$(json a '.peers[0].persistent_keepalive')"

step "a network namespace: a service there has the tunnel, the host has not"
expect_equal "the host's network" "${before[b]}" "$(network_of b)"
must on b systemctl start user.service
wait_for 10 "a ping through the tunnel" user_says "bytes from ${inside4[a]}"
user_says "nameserver 192.0.2.53" || fail "the service has another resolv.conf"
! on b journalctl -q -b -u "$service" -o cat | grep 'lacks.*an empty root' || fail "the engine's sandbox is weaker"
must on b systemctl reload "$service"
must on b systemctl kill --kill-whom=all --signal=KILL "$service"
wait_for 20 "a restart" unit_is b "$service" NRestarts 1
wait_for 20 "the tunnel is back" is_up

step "stop: nothing is left there"
must on b systemctl stop "$service"
wait_for 5 "the service that uses it ends" unit_is b user.service ActiveState inactive
expect_match "the namespace's network" "^lo [^[:space:]]*$" "$(on b ip -n vpn -br link | awk '{ print $1, $2 }')"
expect_equal "its routes" "" "$(on b ip -n vpn route)"
[ ! -e "$(root_of b)/etc/netns" ] || fail "there is /etc/netns"
must on b systemctl stop culvert-netns@vpn.service
expect_equal "namespaces" "" "$(on b ip netns)"
back_as_before b "after the stop"

step "a service without any rights: a device of networkd's, a port of systemd's at two addresses"
write_b ""
without_port b
install_without_rights
must on b rm -r "$units/$service.d"
must on b systemctl disable "$service"
must on b networkctl reload
must on b systemctl daemon-reload
office_is_there() { on b ip route show dev office | grep -q '^10.81'; }
wait_for 10 "networkd makes the device" office_is_there
must on b systemctl start office.socket
must on b systemctl start office.service
wait_for 20 "the tunnel" is_up
expect_equal "the capabilities" 0000000000000000 \
	"$(on b sed -n 's/^CapPrm:\t//p' "/proc/$(unit b office.service MainPID)/status")"
expect_equal "a's peer" "${outside4[b]}:$port" "$(json a '.peers[0].endpoint')"
must on b systemctl reload office.service
must on b systemctl stop office.socket office.service
must on b rm /etc/systemd/network/office.netdev /etc/systemd/network/office.network
must on b ip link delete dev office
back_as_before b "after office"

step "a port of systemd's: a datagram starts the tunnel, which restarts on it as often as one likes"
install_socket b "$port" "$socket"
must on b systemctl daemon-reload
must on b systemctl enable --now "$socket"
wait_for 20 "the tunnel" is_up
for ((restart = 0; restart < 6; restart++)); do
	must on b systemctl restart "$service"
done
wait_for 20 "the tunnel is back" is_up
expect_equal "a's peer" "${outside4[b]}:$port" "$(json a '.peers[0].endpoint')"
must on b systemctl stop "$service"
wait_for 20 "the tunnel is started again" is_up

step "culvert.target stops it, and starts it"
must on b systemctl stop culvert.target
wait_for 20 "the socket ends" unit_is b "$socket" ActiveState inactive
wait_for 20 "the tunnel ends" unit_is b "$service" ActiveState inactive
! listens b "$port" || fail "the port is open"
back_as_before b "after the stop"
must on b systemctl start culvert.target
wait_for 20 "the tunnel is back" is_up

step "without root, stop: nothing is left"
must on a systemctl stop "$socket" "$service"
a_back_as_before "after the stop"

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
a_back_as_before "after a kill, a start and a stop"

step "the package is purged: no datagram starts what is not there"
must on b env DEBIAN_FRONTEND=noninteractive apt-get purge -y culvert
! on b pgrep -x culvert || fail "a process of the tunnel is left"
! listens b "$port" || fail "the port is open"
expect_equal "what is left that is enabled" "" "$(on b find "$units" -path '*.wants/culvert*')"
pass
