#!/bin/bash
# SPDX-License-Identifier: ISC
# DNS =: by resolv.conf, resolvconf and systemd-resolved; put back at the end, half way and after kill -9.
# The tunnel has an /etc, a /run and a PATH of its own: nothing here touches this machine's DNS.
# shellcheck disable=SC2016 # other shells expand it
. "$(dirname "$0")/lib.sh"
need_culvert

own_host
resolv=$host_etc/resolv.conf calls=$tmp/calls extra=
search='DNS = 10.9.0.2, fd09::2\nDNS = corp.example ~lab.example'
mkdir -p "$host_run/systemd/resolve"
printf '# by hand\nnameserver 192.0.2.53\n' >"$resolv"

# start INTERFACE-LINES [PEER-LINES]: a tunnel in a. `extra` is run first.
start() {
	write_conf a "PrivateKeyFile = a.key\nPreUp = /bin/cp /etc/resolv.conf $tmp/at-pre-up\n$1" \
		"PublicKey = $(public b)\nEndpoint = $(endpoint_of b 4)\n${2:-AllowedIPs = 10.80.0.0/16}"
	: >"$calls"
	start_on_own_host a "$(conf a)" "$extra"
}
start_up() {
	start "$@"
	wait_tunnel a
}
reload_with() { # INTERFACE-LINES
	write_conf a "PrivateKeyFile = a.key\n$1" "PublicKey = $(public b)\nAllowedIPs = 10.80.0.0/16"
	must ns a "$build/culvert" reload "$(dev a)"
}

# Everything of /etc that has to do with DNS, with inodes and times.
dns_state() {
	(cd "$host_etc" && stat -c '%n %i %f %y %s' resolv* && cat resolv.conf)
	ls "$host_run/culvert"
}
dns_is_back() { expect_equal "DNS $1" "$original" "$(dns_state | grep -vE "\.(lock|sock)$")"; } # WHEN
no_traces() { # WHEN
	dns_is_back "$1"
	expect_host_state a "$before" "$1"
}
remember() { original=$(dns_state | grep -vE "\.(lock|sock)$"); }
stop_and_compare() {
	stop_culvert a
	no_traces "after $1"
}
dns_is() { expect_equal "the status of DNS" "$1" "$(status_of a ".dns | tojson")"; }

# A stand-in for resolvectl or resolvconf: it writes down how it was called, and its input.
fake() { # NAME [WHAT-IT-DOES-THEN]
	printf '#!/bin/sh\nPATH=/usr/bin:/bin\necho "%s $*" >>"%s"\n[ "$1" != -a ] || cat >>"%s"\n%s\n' "$1" "$calls" \
		"$calls" "${2:-exit 0}" >"$host_bin/$1"
	chmod 755 "$host_bin/$1"
}
called() { expect_equal "calls" "$1" "$(cat "$calls")"; }

two_ends
make_keys a b
start_device b culvert
before=$(host_state a)
remember

step "resolv.conf: ours while the tunnel runs, seen by PostUp"
start_up "$search\nPostUp = /bin/cp /etc/resolv.conf $tmp/at-post-up"
dns_is '{"backend":"resolv.conf","error":null,"servers":["10.9.0.2","fd09::2"],"domains":["corp.example","~lab.example"]}'
expect_equal "what it says" "nameserver 10.9.0.2|nameserver fd09::2|search corp.example" \
	"$(grep -v '^#' "$resolv" | paste -sd '|')"
expect_equal "what PostUp saw" "$(cat "$resolv")" "$(cat "$tmp/at-post-up")"
expect_match "the status for a person" "DNS: 10\.9\.0\.2, fd09::2; domains corp\.example, ~lab\.example \(resolv\.conf\)" \
	"$("$build/culvert" status "$(dev a)")"
stop_and_compare "a plain resolv.conf"

step "a start that fails half way"
start "$search\nPostUp = exit 3"
wait_for 10 "the start fails" gone culvert-a
unset "pid_of[culvert-a]"
no_traces "after a start that failed"

step "kill -9 of all: the next start puts it back first, be there DNS in the file or not"
start_up "$search"
kill_both a
grep -q 10.9.0.2 "$resolv" || fail "resolv.conf was put back by nobody"
start_up ""
expect_equal "resolv.conf as PreUp saw it" "nameserver 192.0.2.53" "$(grep -v '^#' "$tmp/at-pre-up")"
dns_is null
stop_and_compare "kill -9 and a start without DNS"
start_up "$search"
kill_both a
rm -f "/run/culvert/$(dev a).dns" # as after a restart of the machine
start_up "$search"
expect_equal "resolv.conf as PreUp saw it" "nameserver 192.0.2.53" "$(grep -v '^#' "$tmp/at-pre-up")"
stop_and_compare "kill -9 and a start with DNS"

step "kill -9, and a namespace since"
into_namespace='mkdir -p /run/netns && touch /run/netns/vpn && unshare --net=/run/netns/vpn true'
start_up "$search"
kill_both a
grep -q 10.9.0.2 "$resolv" || fail "resolv.conf was put back by nobody"
extra=$into_namespace
start_up "$search\nNetworkNamespace = vpn"
expect_equal "resolv.conf as PreUp saw it" "nameserver 192.0.2.53" "$(grep -v '^#' "$tmp/at-pre-up")"
dns_is_back "while the tunnel is in a namespace"
grep -q 10.9.0.2 "$host_etc/netns/vpn/resolv.conf" || fail "DNS is not set in the namespace"
kill_both a
extra=
start_up "$search"
[ ! -e "$host_etc/netns" ] || fail "what was made for the namespace is still there: $(find "$host_etc/netns")"
grep -q 10.9.0.2 "$resolv" || fail "DNS is not set outside"
stop_and_compare "a namespace that came and went"

step "kill -9 of the engine"
start_up "$search"
kill -9 "$(engine_pid a)"
wait_for 10 "the monitor ends" gone culvert-a
unset "pid_of[culvert-a]"
no_traces "after kill -9 of the engine"

step "another program writes it meanwhile: that stays"
start_up "$search"
printf 'nameserver 198.51.100.1\n' >"$resolv.dhcp"
mv "$resolv.dhcp" "$resolv"
expect_match "the status" "another program" "$(status_of a .dns.error)"
"$build/culvert" status "$(dev a)" >/dev/null
expect_equal "exit status of culvert status" 4 $?
remember_theirs=$(stat -c %i "$resolv")
stop_culvert a
expect_equal "their file" "$remember_theirs nameserver 198.51.100.1" "$(stat -c %i "$resolv") $(cat "$resolv")"
expect_equal "files about resolv.conf" 1 "$(find "$host_etc" -name 'resolv*' | wc -l)"
remember

step "reload: other servers, none, some again; a file that is a symlink"
mv "$resolv" "$host_etc/managed"
ln -s managed "$resolv"
remember
start_up "$search"
reload_with "DNS = 10.9.0.3"
expect_equal "resolv.conf" "nameserver 10.9.0.3" "$(grep -v '^#' "$resolv")"
reload_with ""
dns_is_back "without a DNS line"
reload_with "$search"
expect_equal "servers" 2 "$(grep -c ^nameserver "$resolv")"
stop_and_compare "reloads"

step "a mount point, as in a container"
rm "$resolv"
mv "$host_etc/managed" "$resolv"
remember
extra="mount --bind $tmp/mounted /etc/resolv.conf"
printf 'nameserver 192.0.2.54\n' >"$tmp/mounted"
start_up "$search"
expect_equal "servers" 2 "$(grep -c ^nameserver "$tmp/mounted")"
kill_both a
start_up "$search"
expect_equal "resolv.conf as PreUp saw it" "nameserver 192.0.2.54" "$(cat "$tmp/at-pre-up")"
stop_culvert a
expect_equal "the mounted file" "nameserver 192.0.2.54" "$(cat "$tmp/mounted")"
no_traces "after a mount point"

step "it cannot be written: a warning, and the tunnel is up"
extra='mount -o remount,ro,bind /etc'
start_up "$search"
expect_match "the status" "Read-only" "$(status_of a .dns.error)"
expect_equal "the back end" null "$(status_of a .dns.backend)"
has_logged a "DNS is not set.*Read-only" || fail "nothing in the log"
stop_and_compare "a read-only /etc"
extra=

step "resolvconf"
fake resolvconf
start_up "$search"
dns_is '{"backend":"resolvconf","error":null,"servers":["10.9.0.2","fd09::2"],"domains":["corp.example","~lab.example"]}'
add="resolvconf -a $(dev a) -m 0 -x
nameserver 10.9.0.2
nameserver fd09::2
search corp.example"
called "$add"
kill_both a
start_up ""
called "resolvconf -d $(dev a) -f"
stop_and_compare "resolvconf and kill -9"
start_up "$search"
stop_culvert a
called "$add
resolvconf -d $(dev a) -f"

step "resolvconf fails: a warning, and what it may have done is undone"
fake resolvconf '[ "$1" != -a ] || exit 7'
start_up "DNS = 10.9.0.2"
expect_match "the status" "resolvconf ended with status 7" "$(status_of a .dns.error)"
called "resolvconf -a $(dev a) -m 0 -x
nameserver 10.9.0.2
resolvconf -d $(dev a) -f"
stop_and_compare "a resolvconf that fails"

step "it hangs: being told to stop ends it"
fake resolvconf '[ "$1" != -a ] || exec sleep 60'
start "DNS = 10.9.0.2"
wait_for 5 "resolvconf is called" grep -q -- -a "$calls"
stop_culvert a
has_logged a "resolvconf was ended" || fail "nothing in the log"
no_traces "after a resolvconf that hangs"

step "systemd-resolved: the domains' names through the tunnel, or all of them"
fake resolvectl
rm "$resolv"
ln -s ../run/systemd/resolve/stub-resolv.conf "$resolv"
printf 'nameserver 127.0.0.53\n' >"$host_run/systemd/resolve/stub-resolv.conf"
remember
varlink=$host_run/systemd/resolve/io.systemd.Resolve
background_in a resolved socat "UNIX-LISTEN:$varlink,fork" /dev/null
wait_for 5 "something listens in its place" test -S "$varlink"
start_up "$search"
dns_is '{"backend":"systemd-resolved","error":null,"servers":["10.9.0.2","fd09::2"],"domains":["corp.example","~lab.example"]}'
called "resolvectl domain $(dev a) corp.example ~lab.example
resolvectl default-route $(dev a) no
resolvectl dns $(dev a) 10.9.0.2 fd09::2"
: >"$calls"
reload_with "DNS = 10.9.0.2"
called "resolvectl domain $(dev a) ~.
resolvectl default-route $(dev a) yes
resolvectl dns $(dev a) 10.9.0.2"
: >"$calls"
stop_and_compare "systemd-resolved"
called "resolvectl revert $(dev a)"
start_up "$search\nTable = off" "AllowedIPs = 0.0.0.0/0"
expect_match "the domains of a tunnel that takes everything" "domain $(dev a) corp\.example ~lab\.example ~\." \
	"$(cat "$calls")"
kill_both a
start_up ""
called "" # resolved forgets a device that is gone
stop_and_compare "systemd-resolved and kill -9"

step "resolvectl fails, or is not there: a warning"
fake resolvectl '[ "$1" != dns ] || exit 1'
start_up "$search"
expect_match "the status" "resolvectl ended with status 1" "$(status_of a .dns.error)"
expect_equal "the last call" "resolvectl revert $(dev a)" "$(tail -n 1 "$calls")"
stop_culvert a
rm "$host_bin/resolvectl"
start_up "$search"
expect_match "the status" "resolvectl is not there" "$(status_of a .dns.error)"
stop_and_compare "no resolvectl"

step "systemd-resolved of another network namespace is not ours to set"
fake resolvectl
stop_background resolved
rm -f "$varlink"
background_in b resolved socat "UNIX-LISTEN:$varlink,fork" /dev/null
wait_for 5 "something listens in its place" test -S "$varlink"
start_up "$search"
expect_match "the status" "another network namespace" "$(status_of a .dns.error)"
called ""
stop_and_compare "another namespace's systemd-resolved"

step "this machine's own resolvconf, if there is one"
if command -v resolvconf >/dev/null && [ "$(basename "$(readlink -f "$(command -v resolvconf)")")" != resolvectl ]; then
	rm "$resolv"
	printf 'nameserver 192.0.2.53\n' >"$resolv"
	for each in /etc/resolvconf /etc/resolvconf.conf; do
		[ ! -e "$each" ] || cp -a "$each" "$host_etc"
	done
	host_bin=$PATH
	if [ -d /etc/resolvconf/update.d ]; then # Debian's
		mkdir -p "$host_run/resolvconf/interface"
		touch "$host_run/resolvconf/enable-updates"
		cp "$resolv" "$host_run/resolvconf/interface/original.static"
		cp "$resolv" "$host_run/resolvconf/resolv.conf"
		ln -sf ../run/resolvconf/resolv.conf "$resolv"
	fi
	start_up "DNS = 10.9.0.2"
	dns_is '{"backend":"resolvconf","error":null,"servers":["10.9.0.2"],"domains":[]}'
	real=$resolv
	[ ! -L "$resolv" ] || real=$host_run/resolvconf/resolv.conf
	expect_equal "the first server" "nameserver 10.9.0.2" "$(grep -m 1 ^nameserver "$real")"
	stop_culvert a
	expect_equal "servers afterwards" "nameserver 192.0.2.53" "$(grep ^nameserver "$real")"
fi
pass
