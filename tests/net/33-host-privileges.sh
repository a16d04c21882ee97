#!/bin/bash
# SPDX-License-Identifier: ISC
# The engine is unprivileged; secrets are in no command line, environment, log or status; files must be private.
. "$(dirname "$0")/lib.sh"
need_culvert

ids_of() { awk -v what="$2:" '$1 == what { for (i = 2; i <= NF; i++) print $i }' "/proc/$1/status" | sort -u | paste -sd ' '; }
field_of() { awk -v what="$2:" '$1 == what { print $2 }' "/proc/$1/status"; }

expect_unprivileged() { # PID
	local field
	expect_match "user ids of the engine" '^[1-9][0-9]*$' "$(ids_of "$1" Uid)"
	expect_match "group ids of the engine" '^[1-9][0-9]*$' "$(ids_of "$1" Gid)"
	[[ " $(ids_of "$1" Groups) " != *" 0 "* ]] || fail "the engine is still in group 0"
	for field in CapInh CapPrm CapEff CapAmb; do
		expect_equal "$field of the engine" 0000000000000000 "$(field_of "$1" $field)"
	done
}

expect_no_secret() { # WHAT FILE...
	local what=$1 secret
	shift
	for secret in "${secrets[@]}"; do
		! cat "$@" 2>/dev/null | tr '\0' '\n' | grep -qF -- "$secret" || fail "a secret stands in $what"
		! cat "$@" 2>/dev/null | tr '\0' '\n' | grep -qiF -- "$(base64 -d <<<"$secret" | od -An -tx1 | tr -d ' \n')" ||
			fail "a secret stands in $what, in hexadecimal"
	done
}

two_ends
make_keys a b
psk=$(wg genpsk)
secrets=("$psk" "$(cat "$tmp/a.key")")
write_conf a "PrivateKey = $(cat "$tmp/a.key")\nUser = nobody\nPostUp = sed -n 's/^CapEff:.//p' /proc/self/status >$tmp/hook" \
	"PublicKey = $(public b)\nPresharedKey = $psk\n$(allowed b)\nEndpoint = $(endpoint_of b 4)"
write_conf b "PrivateKey = $(cat "$tmp/b.key")" "PublicKey = $(public a)\nPresharedKey = $psk\n$(allowed a)"
export LOG_LEVEL=verbose
start_both
pings_both a b

step "the engine's user and capabilities"
for name in a b; do
	engine=$(engine_pid "$name")
	[ -d "/proc/$engine" ] || fail "$name has no engine"
	expect_unprivileged "$engine"
done
# In the session of the terminal that root started it from, it could type commands into that.
expect_equal "session of a's engine" "$(engine_pid a)" "$(ps -o sid= -p "$(engine_pid a)" | tr -d ' ')"
expect_equal "user of a's engine" "$(id -u nobody)" "$(ids_of "$(engine_pid a)" Uid)"

step "it works without privileges: a new port, a lost session"
wg_set a listen-port 40001
pings a "${inside4[b]}"
stop_culvert b
bring_up b
pings a "${inside4[b]}" 25

step "the user is known after a reload, too"
must "$build/culvert" reload "$(dev a)"
expect_equal "user in the status" nobody "$(status_of a .user)"

step "the monitor has only the rights that it uses, its hooks have all"
monitor=$(status_of a .pid)
for right in 16 17 21 39; do # CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_ADMIN, CAP_BPF
	expect_equal "right $right of the monitor" 0 $((0x$(field_of "$monitor" CapEff) & 1 << right))
done
expect_equal "rights of a hook" "$(field_of $$ CapEff)" "$(cat "$tmp/hook")"

step "the monitor has no key any more, also after a reload"
holds_a_key() { python3 "$top/tests/net/holds.py" "$1" "${secrets[@]}"; }
holds_a_key "$(engine_pid a)" || fail "the engine has no key, or nobody can find it"
! holds_a_key "$(status_of a .pid)" || fail "the monitor has a key"
must "$build/culvert" reload "$(dev a)"
! holds_a_key "$(status_of a .pid)" || fail "the monitor has a key after a reload"

step "no secret where it does not belong"
for pid in "$(status_of a .pid)" "$(engine_pid a)"; do
	expect_no_secret "/proc/$pid/cmdline" "/proc/$pid/cmdline"
	expect_no_secret "/proc/$pid/environ" "/proc/$pid/environ"
done
expect_no_secret "the log" "$tmp/culvert-a.log"
ns a "$build/culvert" status "$(dev a)" >"$tmp/status" || fail "culvert status: exit status $?"
ns a "$build/culvert" status "$(dev a)" --json >"$tmp/status.json" || fail "culvert status --json: exit status $?"
expect_no_secret "culvert status" "$tmp/status"
expect_no_secret "culvert status --json" "$tmp/status.json"
jq -e . "$tmp/status.json" >/dev/null || fail "culvert status --json prints no JSON: $(cat "$tmp/status.json")"
grep -qF "${outside4[b]}" "$tmp/status" || fail "culvert status does not say where the peer is: $(cat "$tmp/status")"
expect_equal "mode of the control socket" 0 $((0$(stat -c %a "$run_dir/$(dev a).sock") & 077))
stop_both

step "where there is no user culvert, the log says what the engine runs as"
! grep 'no user culvert' "$tmp/culvert-a.log" || fail "said of a file that names a user"
grep -v '^culvert:' /etc/passwd >"$tmp/passwd"
sed '/^User = /d' "$(conf a)" >"$tmp/nobody.conf"
install -m 600 "$tmp/nobody.conf" "$(conf a)"
# shellcheck disable=SC2016 # the inner shell expands it
background_in a culvert-a /bin/sh -c 'mount --bind "$1" /etc/passwd && shift && exec "$@"' sh \
	"$tmp/passwd" "$build/culvert" run "$(conf a)"
wait_for 10 "what the log says" grep -q 'no user culvert: the engine runs as nobody' "$tmp/culvert-a.log"
stop_culvert a

step "a file that others can read is refused, with what to do"
chmod 644 "$(conf a)"
refuses 'chmod' ns a timeout 10 "$build/culvert" run "$(conf a)"
no_device a || fail "the device was made all the same"
chmod 600 "$(conf a)"
sed -i 's/^PrivateKey = .*/PrivateKeyFile = a.key/' "$(conf a)"
chmod 640 "$tmp/a.key"
refuses 'chmod' ns a timeout 10 "$build/culvert" run "$(conf a)"
expect_no_secret "the log" "$tmp/culvert-a.log"
pass
