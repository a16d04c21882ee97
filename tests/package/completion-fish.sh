#!/bin/bash
# SPDX-License-Identifier: ISC
# What fish offers after culvert, asked of fish itself.
. "$(dirname "$0")/completion.sh"
need fish fish

export HOME=$tmp XDG_CONFIG_HOME=$tmp XDG_DATA_HOME=$tmp
fish --no-config -n "$top/contrib/completion/culvert.fish" || fail "the syntax"
offered() { # LINE
	# shellcheck disable=SC2016 # fish expands it
	fish --no-config -c 'set -g __culvert_root $argv[2]; source $argv[1]; complete -C $argv[3]' \
		"$top/contrib/completion/culvert.fish" "$root" "$1" | cut -f 1
}

check_completion
