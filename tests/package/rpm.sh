#!/bin/bash
# SPDX-License-Identifier: ISC
# contrib/rpm/culvert.spec: rpmspec reads it for both families of distributions, with the macros that theirs have, and
# its %files are exactly what make install puts there.
. "$(dirname "$0")/lib.sh"
need rpmspec rpm

spec=$top/contrib/rpm/culvert.spec

# Debian's rpm does not have the macros of systemd-rpm-macros, nor those of the two: enough of them that each is seen.
macros=(-D "_unitdir /usr/lib/systemd/system" -D "_sysusersdir /usr/lib/sysusers.d" -D "_tmpfilesdir /usr/lib/tmpfiles.d"
	-D "_sbindir /usr/sbin" -D "_prefix /usr" -D "_sysconfdir /etc" -D "_docdir /usr/share/doc" -D "_mandir /usr/share/man"
	-D "systemd_requires Requires: systemd" -D "systemd_post() systemd-post %{*}" -D "systemd_preun() systemd-preun %{*}"
	-D "systemd_postun() systemd-postun %{*}" -D "tmpfiles_create() tmpfiles-create %{*}"
	-D "sysusers_requires_compat Requires(pre): shadow-utils" -D "sysusers_create_compat() sysusers-compat %{*}"
	-D "sysusers_requires Requires(pre): sysuser-shadow" -D "sysusers_generate_pre() sysusers-pre %{*}"
	-D "service_add_pre() add-pre %{*}" -D "service_add_post() add-post %{*}" -D "service_del_preun() del-preun %{*}"
	-D "service_del_postun_without_restart() del-postun %{*}")

expanded() { # DISTRIBUTION VERSION
	rpmspec -P "${macros[@]}" -D "$1 $2" "$spec" 2>&1
}

# Scriptlets that the distribution has, and those of the other not.
for family in fedora:39:systemd-post:add-post suse_version:1600:add-post:systemd-post; do
	IFS=: read -r distribution version own foreign <<<"$family"
	expanded "$distribution" "$version" >"$tmp/$distribution" || fail "rpmspec for $distribution: $(cat "$tmp/$distribution")"
	grep -q "^$own culvert.target" "$tmp/$distribution" || wrong "$distribution: no scriptlet $own"
	grep -q 'culvert down ' <<<"$(sed -n '/^%preun/,/^%postun/p' "$tmp/$distribution")" ||
		wrong "$distribution: tunnels are not ended before the program is removed"
	! grep -q "^$foreign" "$tmp/$distribution" || wrong "$distribution: the scriptlet $foreign is not its own"
	! grep -n '^ *%[a-z_]*\(post\|pre\|sysusers\|tmpfiles\)_[a-z_]*' "$tmp/$distribution" ||
		wrong "$distribution: a macro that is not known"
done

# A folder in %files is all that is below it; the licence is made of the source.
listed() {
	sed -n '/^%files/,/^%changelog/p' "$tmp/fedora" | sed -n 's/^\(\/[^*]*\)\*\{0,1\}$/\1/p'
}
make_alone install DESTDIR="$tmp/made" prefix=/usr exec_prefix=/usr sbindir=/usr/sbin datarootdir=/usr/share \
	datadir=/usr/share mandir=/usr/share/man docdir=/usr/share/doc/culvert \
	bashcompdir=/usr/share/bash-completion/completions zshcompdir=/usr/share/zsh/site-functions \
	fishcompdir=/usr/share/fish/vendor_completions.d >"$tmp/log" 2>&1 || fail "make install: $(tail "$tmp/log")"
while IFS= read -r path; do
	[ -e "$tmp/made$path" ] || wrong "%files has $path, which is not installed"
done < <(listed)
while IFS= read -r path; do
	grep -qxF -e "$path" -e "${path%/*}" -e "${path%/*/*}" -e "${path%/*/*/*}" <<<"$(listed)" ||
		wrong "%files lacks $path"
done < <(cd "$tmp/made" && find . ! -type d -printf '/%P\n')
[ "$(listed | wc -l)" -gt 10 ] || wrong "%files is not understood"
pass
