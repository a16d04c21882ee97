#!/bin/bash
# SPDX-License-Identifier: ISC
# Each of the packagings has the version and the libraries that configure.ac has.
. "$(dirname "$0")/lib.sh"

configure=$top/configure.ac
version=$(sed -n 's/^AC_INIT(\[culvert\], \[\([0-9.]*\)\].*/\1/p' "$configure")
[ -n "$version" ] || fail "configure.ac has no version"
grep -q "^culvert ($version-" "$top/contrib/debian/changelog" || wrong "contrib/debian/changelog is not of $version"
grep -q "^PKG_VERSION:=$version\$" "$top/contrib/openwrt/Makefile" || wrong "contrib/openwrt/Makefile is not of $version"
grep -q "^Version: *$version\$" "$top/contrib/rpm/culvert.spec" || wrong "contrib/rpm/culvert.spec is not of $version"

# What OpenWrt calls the library that pkg-config knows by this name.
openwrt_name() {
	case $1 in
	libevent_core) echo libevent2-core ;;
	libevent_extra) echo libevent2-extra ;;
	lib*) echo "$1" ;;
	*) echo "lib$1" ;;
	esac
}

check_library() { # MODULES DEBIAN-PACKAGE
	local module bound
	grep -q "^Build-Depends:.* $2[, ]" "$top/contrib/debian/control" || wrong "contrib/debian/control lacks $2"
	grep -qw -- "$2" <("$top/contrib/install-deps" --print build) || wrong "contrib/install-deps lacks $2"
	while read -r module bound; do
		grep -qE "^BuildRequires: +pkgconfig\($module\)${bound:+ $bound}\$" "$top/contrib/rpm/culvert.spec" ||
			wrong "contrib/rpm/culvert.spec lacks pkgconfig($module) $bound"
		grep -qE "^  DEPENDS:=.*\+$(openwrt_name "$module")( |\$)" "$top/contrib/openwrt/Makefile" ||
			wrong "contrib/openwrt/Makefile lacks $(openwrt_name "$module")"
	done < <(grep -oE '[a-z0-9_]+( >= [0-9.]+)?' <<<"$1")
}

count=0
while IFS='|' read -r modules package; do
	check_library "$modules" "$package"
	count=$((count + 1))
done < <(sed -n 's/^CULVERT_LIBRARY(\[[A-Z0-9]*\], \[\(.*\)\], \[\(.*\)\])$/\1|\2/p' "$configure")
[ "$count" = "$(grep -c '^CULVERT_LIBRARY(' "$configure")" ] || wrong "configure.ac is not understood"
[ "$count" -ge 5 ] || wrong "configure.ac has $count libraries"
pass
