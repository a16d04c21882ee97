#!/bin/bash
# SPDX-License-Identifier: ISC
# SaveConfig = true: what wg changed is in the file after a stop; a file that was edited meanwhile stays.
. "$(dirname "$0")/lib.sh"
need_culvert

two_ends
own_names a
make_keys a b c
before=$(host_state a)
write_conf b "PrivateKeyFile = b.key" "PublicKey = $(public a)\n$(allowed a)\nEndpoint = $(endpoint_of a 4)"
write_conf a "PrivateKey = $(cat "$tmp/a.key")\nSaveConfig = true # as wg-quick\nPostUp = true; true" \
	"PublicKey = $(public b)\n# friendly_name = site b\n$(allowed b)"
kept=$(stat -c '%a %u %g' "$(conf a)")
saved() { grep -c "^$1\$" "$(conf a)"; }

step "nothing changed: the file is not even written"
original=$(stat -c '%i %Y' "$(conf a)")
bring_up a
stop_culvert a
expect_equal "inode and time of the file" "$original" "$(stat -c '%i %Y' "$(conf a)")"

step "a learned endpoint, a new peer, a port"
start_both
pings b "${inside4[a]}"
wg_set a listen-port 40001 peer "$(public c)" allowed-ips 10.80.0.0/24 persistent-keepalive 20 endpoint 192.0.2.77:7
wg_set a peer "$(public b)" preshared-key <(wg genpsk)
stop_culvert a
has_logged a 'SaveConfig: .* is written' || fail "the log does not say that the file was written"
for line in "ListenPort = 40001" "SaveConfig = true # as wg-quick" "PostUp = true; true" "# friendly_name = site b" \
	"Endpoint = $(endpoint_of b 4)" "PresharedKey = .*" "PublicKey = $(public c)" "AllowedIPs = 10.80.0.0/24" \
	"Endpoint = 192.0.2.77:7" "PersistentKeepalive = 20"; do
	expect_equal "lines '$line' in $(cat "$(conf a)")" 1 "$(saved "$line")"
done
expect_equal "mode and owner" "$kept" "$(stat -c '%a %u %g' "$(conf a)")"
expect_equal "files beside it" "" "$(find "$tmp" -name "$(dev a).conf.*")"
must "$build/culvert" check "$(conf a)"
bring_up a
expect_equal "peers after a restart" 2 "$(shown a peers | wc -l)"
expect_equal "port after a restart" 40001 "$(shown a listen-port)"

step "a peer less; a reload in between"
wg_set a peer "$(public c)" remove
must ns a "$build/culvert" reload "$(dev a)"
stop_culvert a
expect_equal "the peer that was removed" 0 "$(saved "PublicKey = $(public c)")"
expect_equal "the other one" 1 "$(saved "PublicKey = $(public b)")"

step "edited meanwhile, or killed: it stays as it is"
bring_up a
wg_set a listen-port 40002
printf '# edited\n' >>"$(conf a)"
edited=$(cat "$(conf a)")
stop_culvert a
expect_equal "the edited file" "$edited" "$(cat "$(conf a)")"
has_logged a 'SaveConfig: .* is not written: the file was changed' || fail "the log does not say why"
bring_up a
wg_set a listen-port 40003
kill_hard culvert-a
wait_for 5 "the device goes" no_device a
expect_equal "the file after kill -9" "$edited" "$(cat "$(conf a)")"

step "with no more capabilities than the unit gives, a file of another group: it is written, and stays that group's"
caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$top/contrib/systemd/culvert@.service.in")
[ -n "$caps" ] || fail "the unit does not limit capabilities any more"
must chown 0:12345 "$(conf a)"
# shellcheck disable=SC2086,SC2001 # words on purpose
background_in a culvert-a setpriv --no-new-privs --bounding-set "-all$(printf ',+%s' ${caps//CAP_/} | tr '[:upper:]' '[:lower:]')" \
	"$build/culvert" run "$(conf a)"
wait_tunnel a
wg_set a listen-port 40005
stop_culvert a
expect_equal "the port" 1 "$(saved "ListenPort = 40005")"
expect_equal "mode, owner and group" "600 0 12345" "$(stat -c '%a %u %g' "$(conf a)")"
expect_equal "files beside it" "" "$(find "$tmp" -name "$(dev a).conf.*")"
must chown 0:0 "$(conf a)"
edited=$(cat "$(conf a)")

step "no room on the disk: the old file, whole"
mkdir "$tmp/full"
# A file system of this end's own, which another process holds on to when it has ended.
# shellcheck disable=SC2016 # for the inner shell
background culvert-a unshare -m sh -c 'mount -t tmpfs -o size=64k none "$1" && (umask 077; cp "$2" "$1/") &&
	exec ip netns exec "$3" "$4" run "$1/$5.conf"' \
	sh "$tmp/full" "$(conf a)" "$prefix-a" "$build/culvert" "$(dev a)"
wait_tunnel a
background holder nsenter -m -t "$(status_of a .pid)" sleep 60
full=/proc/${pid_of[holder]}/root$tmp/full
wait_for 5 "the small file system" test -e "$full/$(dev a).conf"
wg_set a listen-port 40004
head -c 1M /dev/zero >"$full/rest" 2>/dev/null
stop_culvert a
expect_equal "the file" "$edited" "$(cat "$full/$(dev a).conf")"
expect_equal "files in its directory" "$(dev a).conf rest" "$(cd "$full" && echo *)"
has_logged a 'SaveConfig: .* is not written: No space left' || fail "the log does not say why"
stop_background holder
expect_host_state a "$before" "after that"
stop_culvert b

step "told to stop while the engine owes an answer: it is not taken for the next one"
# The watchdog's question is under way when the engine stands still.
background manager socat -u "UNIX-RECV:$tmp/notify" "OPEN:$tmp/manager,creat,append"
wait_for 5 "the manager listens" test -S "$tmp/notify"
background_in a culvert-a env NOTIFY_SOCKET="$tmp/notify" WATCHDOG_USEC=3000000 "$build/culvert" run "$(conf a)"
wait_tunnel a
wg_set a peer "$(public b)" persistent-keepalive 33
engine=$(engine_pid a)
kill -STOP "$engine"
sleep 2
kill -TERM "${pid_of[culvert-a]}"
sleep 0.5
kill -CONT "$engine"
wait_for 10 "culvert ends" gone culvert-a
expect_equal "the peer's key" 1 "$(saved "PublicKey = $(public b)")"
expect_equal "its keepalive" 1 "$(saved "PersistentKeepalive = 33")"
expect_equal "its allowed IPs" 1 "$(grep -c '^AllowedIPs' "$(conf a)")"
pass
