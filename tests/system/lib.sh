# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# What the system tests share, on top of what the network tests share: machines with systemd as PID 1.
#
# A test sources this file, and then is in a mount namespace of its own. The machines (those of systemd-nspawn) are joined
# by the bridge br0 of the network namespace lan, which is their router and all that they have outside. Of all this
# nothing is left when the test has ended, whichever way.
#
# The machines' trees lie over one that debootstrap made, from the archive that this machine's apt uses. That one is
# kept in ${CULVERT_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/culvert-tests}, which may be removed at any time.

need_command() { # COMMAND PACKAGE
	command -v "$1" >/dev/null || { printf 'skipped: %s is not installed\n' "$2"; exit 77; }
}
need_command debootstrap debootstrap
need_command systemd-nspawn systemd-container
need_command dpkg-buildpackage dpkg-dev
need_command dh debhelper
if [ -z "${CULVERT_TEST_INSIDE:-}" ]; then
	unshare --mount true 2>/dev/null || { printf 'skipped: cannot make mount namespaces here (it takes root)\n'; exit 77; }
	CULVERT_TEST_INSIDE=yes exec unshare --mount "$0" "$@"
fi
unset CULVERT_TEST_INSIDE

. "$(dirname "${BASH_SOURCE[0]}")/../net/lib.sh"

router4=192.0.2.254 router6=2001:db8::fe
cache=${CULVERT_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/culvert-tests}
# What a small server has, and what the tests look at it with.
machine_packages=(dbus iproute2 iputils-ping libnss-resolve procps systemd-resolved systemd-sysv)
nspawn_run=/run/systemd/nspawn
cgroups=()

# ---- the end of a test

# Its processes may still be ending.
remove_cgroup() {
	find "$1" -depth -type d -exec rmdir {} +
	[ ! -e "$1" ]
}

# Before anything else ends. When its nspawn is killed a machine goes on: its first process is killed as well.
at_end() {
	local name pid group
	for name in "${!pid_of[@]}"; do
		[[ $name == machine-* ]] || continue
		pid=${pid_of[$name]}
		for pid in "$pid" $(pgrep -P "$pid"); do
			kill -9 "$pid"
		done
	done
	for group in "${cgroups[@]}"; do
		within 10 remove_cgroup "$group"
	done
	umount -l "$nspawn_run" # the empty directory stays: removed, it would unmount that of a test beside this one
	awk -v below="$tmp/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r -n 1 umount -l
}
# shellcheck disable=SC2034 # cleanup, of the network tests, calls it
also_clean=at_end

# run_long NAME COMMAND...: with its output in NAME.log. Unlike a command that the shell waits for itself, it ends with
# the test, at once.
run_long() {
	local status
	background "$@"
	wait "${pid_of[$1]}"
	status=$?
	unset "pid_of[$1]"
	return "$status"
}

# ---- the package, and a tree to install it in

# build_package: from this source, $package.
build_package() {
	local source=$tmp/package/culvert
	mkdir -p "$source"
	tar -C "$top" --exclude=./.git --exclude='./build*' --exclude=./autom4te.cache --exclude='./config.*' \
		--exclude=./Makefile --exclude=.deps --exclude=.dirstamp --exclude='*.o' --exclude='*.a' -cf - . |
		tar -C "$source" -xf -
	cp -r "$source/contrib/debian" "$source/debian"
	run_long package env -C "$source" DEB_BUILD_OPTIONS='nocheck parallel=2' dpkg-buildpackage -b -us -uc ||
		fail "the package cannot be built"
	rm "$tmp/package.log"
	package=$(find "$tmp/package" -maxdepth 1 -name 'culvert_*.deb')
	[ -n "$package" ] || fail "there is no culvert_*.deb"
	rm -rf "$source"
}

# The packages that ours asks for, of alternatives the first.
package_needs() {
	dpkg-deb -f "$package" Pre-Depends Depends | sed 's/^[A-Za-z-]*: //' | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/[[:space:]]//g' |
		grep -vxE 'libc6|systemd|'
}

# shellcheck disable=SC2016 # apt expands it
# find_archive: $suite and $archive, of this machine's own release; and the proxies that apt goes through.
find_archive() {
	local name repo release codename
	# shellcheck disable=SC1091 # this machine's
	name=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
	archive='' suite=''
	while read -r repo release codename; do
		[ "$release" = "$name" ] || [ "$codename" = "$name" ] || continue
		archive=$repo suite=$release
		break
	done < <(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		sed -n 's/ main$//p')
	[ -n "$archive" ] || skip "apt knows no archive of ${name:-this release}"
	eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
	export http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}"
	[[ $archive != http* ]] || curl -sfIL --max-time 30 -o /dev/null "${archive%/}/dists/$suite/Release" ||
		skip "the package archive that apt uses is not reachable"
}

# make_base: $base, the cached tree, made where it is not there. Nothing of our package is in it but what it needs.
make_base() {
	local needs lock
	mapfile -t needs < <({ printf '%s\n' "${machine_packages[@]}"; package_needs; } | sort -u)
	mkdir -p "$cache" || skip "cannot write $cache"
	base=$cache/$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-x}")-$(printf '%s\n' "${needs[@]}" | sha256sum | cut -c 1-12)
	exec {lock}>"$cache/lock"
	run_long lock flock "$lock"
	if [ ! -d "$base" ]; then
		find_archive
		step "debootstrap, into $cache"
		rm -rf "$base.new"
		run_long debootstrap debootstrap --variant=minbase --include="$(IFS=,; printf '%s' "${needs[*]}")" \
			"$suite" "$base.new" "$archive" || fail "debootstrap"
		rm "$tmp/debootstrap.log"
		mv "$base.new" "$base"
	fi
	exec {lock}>&-
}

# ---- machines

# lay_over LOWER NAME: $tmp/NAME/root, a tree that begins as LOWER. A copy where there is no overlay.
lay_over() {
	local place=$tmp/$2
	mkdir -p "$place/root" "$place/upper" "$place/scratch"
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$place/upper,workdir=$place/scratch" "$place/root" 2>/dev/null ||
		must cp -a "$1/." "$place/root"
}

root_of() { printf '%s/%s/root' "$tmp" "$1"; }

# add_lan: the bridge, with the addresses of the router.
add_lan() {
	add_ns lan
	must ip -n "$prefix-lan" link add br0 type bridge
	address lan br0 "$router4/24" "$router6/64"
	must ip -n "$prefix-lan" link set br0 up
}

# add_machine NAME: with our package installed, networkd, resolved, and its addresses in the lan, outside4 and outside6.
add_machine() {
	local root
	lay_over "$base" "$1"
	root=$(root_of "$1")
	printf '%s\n' "$1" >"$root/etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$1" >"$root/etc/hosts"
	rm -f "$root/etc/machine-id"
	tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
	cat >"$root/etc/systemd/network/10-lan.network" <<-NETWORK
		[Match]
		Name=host0
		[Network]
		Address=${outside4[$1]}/24
		Gateway=$router4
		Gateway=$router6
		DNS=$router4
		LinkLocalAddressing=no
		IPv6AcceptRA=no
		[Address]
		Address=${outside6[$1]}/64
		DuplicateAddressDetection=none
	NETWORK
	mkdir -p "$root/etc/systemd/journald.conf.d"
	printf '[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n' >"$root/etc/systemd/journald.conf.d/console.conf"
	ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
	cp "$package" "$root/var/cache/culvert.deb"
	must in_tree "$1" systemctl enable systemd-networkd systemd-resolved
	run_long "install-$1" chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		/var/cache/culvert.deb || fail "the package cannot be installed"
	rm "$tmp/install-$1.log"
}

# in_tree NAME COMMAND...: in a machine that is not running.
in_tree() {
	local root
	root=$(root_of "$1")
	shift
	chroot "$root" "$@"
}

# Where this machine has no systemd that makes control groups, each machine gets its own here: nspawn lets it have what
# it finds itself in. procs: files that a process writes itself to.
make_cgroups() { # NAME
	local mount name own group
	procs=()
	[ ! -d /run/systemd/system ] || return 0
	while read -r mount name; do
		own=$(awk -F : -v name="$name" '$2 == name { print $3 }' /proc/self/cgroup)
		group=$mount${own%/}/$prefix-$1
		mkdir -p "$group" 2>/dev/null || skip "cannot make control groups here"
		[[ " ${cgroups[*]} " == *" $group "* ]] || cgroups+=("$group")
		procs+=("$group/cgroup.procs")
	done < <(awk '$3 == "cgroup2" { print $2, "" } $3 == "cgroup" && $4 ~ /name=systemd/ { print $2, "name=systemd" }' \
		/proc/self/mounts)
}

# boot NAME: and waits until it can be told something. A machine ends with the test, even if that is killed. Not by
# ip netns exec, which hides the control groups.
# shellcheck disable=SC2016 # the inner shell expands it
boot() {
	local procs keep=()
	make_cgroups "$1"
	[ "${#procs[@]}" = 0 ] || keep=(--keep-unit)
	background "machine-$1" nsenter --net="/run/netns/$prefix-lan" setpriv --pdeathsig TERM \
		/bin/sh -c 'while [ "$1" != -- ]; do echo $$ >"$1" || exit; shift; done; shift; exec "$@"' sh "${procs[@]}" -- \
		systemd-nspawn --quiet --directory="$(root_of "$1")" --machine="$prefix$1" --register=no "${keep[@]}" \
		--network-bridge=br0 --capability=CAP_NET_ADMIN --bind=/dev/net/tun \
		--property='DeviceAllow=/dev/net/tun rw' --boot systemd.show_status=no
	wait_for 60 "$1 boots" on "$1" systemctl list-units
}

first_process() { pgrep -P "${pid_of[machine-$1]}" -f '(systemd|init)' | head -n 1; }

# on NAME COMMAND...: in a machine that runs, as root.
on() {
	local pid
	pid=$(first_process "$1")
	[ -n "$pid" ] || return 1
	shift
	nsenter -t "$pid" -m -u -i -n -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"
}

# booted NAME: all that was to be started is, or has failed.
booted() { [[ $(on "$1" systemctl is-system-running) =~ ^(running|degraded)$ ]]; }
wait_booted() { wait_for 60 "$1 has booted" booted "$1"; }

power_off() { # NAME
	on "$1" systemctl poweroff >/dev/null 2>&1
	wait_for 30 "$1 powers off" gone "machine-$1"
	wait "${pid_of[machine-$1]}"
	unset "pid_of[machine-$1]"
}

unit() { on "$1" systemctl show -P "$3" "$2"; } # NAME UNIT PROPERTY
unit_is() { [ "$(unit "$1" "$2" "$3")" = "$4" ]; } # NAME UNIT PROPERTY VALUE

# ---- the tunnel site, which each machine has as a service

service=culvert@site.service

# write_site NAME INTERFACE-LINES PEER-LINES: /etc/culvert/site.conf of a machine.
write_site() {
	local root
	root=$(root_of "$1")
	write_conf "$1" "PrivateKeyFile = site.key\n$2" "$3"
	install -m 600 "$(conf "$1")" "$root/etc/culvert/site.conf"
	install -m 600 "$tmp/$1.key" "$root/etc/culvert/site.key"
}

json() { on "$1" culvert status --json site | jq -r ".tunnels[0]$2"; } # NAME JQ-PATH
is_up() { [[ $(on a culvert status site | head -n 1) == *up* ]] && on a ping -n -c 1 -W 1 "${inside4[b]}"; }
ping_ok() { on "$1" ping -n -c 1 -W 1 "$2"; }
active() { unit_is "$1" "$service" ActiveState active; }

# ---- start

mkdir -p "$nspawn_run"
mount -t tmpfs -o mode=755 tmpfs "$nspawn_run" 2>/dev/null || skip "cannot mount here"
