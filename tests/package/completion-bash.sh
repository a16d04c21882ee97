#!/bin/bash
# SPDX-License-Identifier: ISC
# What bash offers after culvert, as bash calls the function.
. "$(dirname "$0")/completion.sh"

offered() { # LINE
	# shellcheck disable=SC2016 # that shell expands it
	bash --norc --noprofile -c '
		. "$1"
		_culvert_root=$2
		complete -p culvert >/dev/null || exit 1
		read -ra COMP_WORDS <<<"$3"
		case $3 in *" ") COMP_WORDS+=("") ;; esac
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$3 COMP_POINT=${#3}
		_culvert culvert "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		for word in "${COMPREPLY[@]}"; do printf "%s\n" "$word"; done
	' bash "$top/contrib/completion/culvert" "$root" "$1"
}

check_completion
