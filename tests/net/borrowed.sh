# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2154 # lib.sh says where these are
# What the tests of a device have in common that root has made for a user: culvert run as nobody. After lib.sh.
need_culvert

chmod 711 "$tmp"
install -m 755 "$build/culvert" "$tmp/culvert"
install -d -m 700 -o nobody -g nogroup "$tmp/run" "$tmp/home"
run_path=$tmp/run/culvert

# as_nobody COMMAND...: words that run it as that user, with nothing besides.
as_nobody=(setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set -all --inh-caps -all
	env XDG_RUNTIME_DIR="$tmp/run")
nobody() { ns a "${as_nobody[@]}" "$tmp/culvert" "$@"; }
own_status() { nobody status --json "$(dev a)" | jq -r ".tunnels[0]$1"; }
own_tunnel_up() { [ "$(own_status .state)" = running ]; }
start_as_nobody() { start_as_nobody_with "XDG_RUNTIME_DIR=$tmp/run"; }
start_as_nobody_with() { # VARIABLE=VALUE...
	: >"$tmp/culvert-a.log"
	background_in a culvert-a "${as_nobody[@]}" "$@" "$tmp/culvert" run "$tmp/home/$(dev a).conf"
}
up_as_nobody() { own_tunnel_up || gone culvert-a; }
wait_as_nobody() {
	wait_for 10 "the tunnel comes up" up_as_nobody
	running culvert-a || fail "culvert of nobody has ended, see its log"
}
stop_as_nobody() {
	end_culvert a
	expect_equal "what is left" "$(dev a).lock" "$(ls "$run_path")"
}
# says REGEX: it ends, and says that.
says() {
	wait_for 10 "it ends" gone culvert-a
	unset "pid_of[culvert-a]"
	grep -qE -- "$1" "$tmp/culvert-a.log" || fail "it does not say $1"
}

# It has been up once, which shows for ever; and the kernel gives it no address by itself when somebody attaches.
make_device() { # MODE [OPTION...]
	must ip -n "$prefix-a" tuntap add dev "$(dev a)" mode "$@"
	must ip -n "$prefix-a" link set "$(dev a)" addrgenmode none up
	must ip -n "$prefix-a" link set "$(dev a)" down
}
delete_device() { must ip -n "$prefix-a" link delete "$(dev a)"; }
equip() {
	address a "$(dev a)" "${inside4[a]}/24" "${inside6[a]}/64"
	must ip -n "$prefix-a" link set "$(dev a)" mtu 1400 up
	must ip -n "$prefix-a" route add 10.80.0.0/16 dev "$(dev a)"
}
own_conf() { # the file, for its user
	install -m 600 -o nobody -g nogroup "$(conf a)" "$tmp/home/$(dev a).conf"
}
stop_root() {
	end_culvert a
	[ ! -e "/run/culvert/$(dev a).state" ] || fail "the state file is still there: $(cat "/run/culvert/$(dev a).state")"
}

two_ends
make_keys a b
peer="PublicKey = $(public b)\nAllowedIPs = 10.80.0.0/16\n$(allowed b)\nEndpoint = ${outside4[b]}:$port"
install -m 600 -o nobody -g nogroup "$tmp/a.key" "$tmp/home/a.key"
write_conf a "PrivateKeyFile = a.key" "$peer"
own_conf
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)"
bring_up b
