#!/bin/bash
# SPDX-License-Identifier: ISC
# What zsh offers after culvert: an interactive one at a pseudo-terminal, whose matches go to a file as well.
. "$(dirname "$0")/completion.sh"
need zsh zsh

cp "$top/contrib/completion/_culvert" "$tmp/_culvert"
zsh -f -n "$tmp/_culvert" || fail "the syntax"
cat >"$tmp/rc" <<'RC'
fpath=($dir $fpath)
autoload -Uz compinit
compinit -u -d $dir/dump
_culvert_root=$dir/root
LISTMAX=1000
unsetopt beep
compadd() { # what is only stored is not offered yet
	local -a words
	if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
		builtin compadd -A words "$@"
		(( ! $#words )) || print -rl -- $words >>$dir/matches
	fi
	builtin compadd "$@"
}
zle-line-init() { print >$dir/ready }
zle -N zle-line-init
RC
cat >"$tmp/ask" <<'ASK'
zmodload zsh/zpty
wait_for() { # FILE; what the terminal shows must be read, or the other one stops
	local shown
	repeat 500; do
		[[ ! -e $1 ]] || return 0
		zpty -r z shown || sleep 0.02
	done
}
zpty -b z "TERM=dumb dir=${(q)1} zsh -f -i"
zpty -w z ". ${(q)1}/rc"
wait_for $1/ready
zpty -n -w z "$2"$'\t'
zpty -w z $'\x15'"print >${(q)1}/done"
wait_for $1/done
zpty -d z
ASK
offered() { # LINE
	rm -f "$tmp/done" "$tmp/ready"
	: >"$tmp/matches"
	HOME=$tmp timeout -k 5 30 zsh -f "$tmp/ask" "$tmp" "$1" </dev/null >/dev/null
	[ -e "$tmp/done" ] || printf 'zsh did not answer\n'
	case $1 in # where an argument cannot stand any more, zsh goes on to the options
	*" ") grep -v '^-' "$tmp/matches" | sort -u ;;
	*) sort -u "$tmp/matches" ;;
	esac
}

check_completion
