#!/bin/bash
# SPDX-License-Identifier: ISC
# The files for zsh and fish name the commands and options that the help does, and no others: read as text, so that it
# shows also where these shells are not installed.
. "$(dirname "$0")/completion.sh"

fish_file=$top/contrib/completion/culvert.fish
zsh_file=$top/contrib/completion/_culvert

# Each "complete" as one line.
fish_lines() { sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "$fish_file" | grep '^complete '; }
fish_commands() { fish_lines | sed -n 's/.*-n __culvert_begins -a \([a-z]*\) .*/\1/p'; }
fish_options() { # [COMMAND]
	local condition='-n __culvert_begins ' line
	[ $# = 0 ] || condition="-n '__culvert_in [^']*\\b$1\\b[^']*'"
	fish_lines | grep -e "$condition" | grep -oE -- ' -[sl] [a-zA-Z-]+' | sed -e 's/ -s /-/' -e 's/ -l /--/' | sort -u
}

zsh_commands() { sed -n "s/^\t\t[\"']\([a-z]*\):.*/\1/p" "$zsh_file"; }
# The lines of a command, descriptions left out; $help stands for -h and --help.
zsh_options() { # [COMMAND]
	if [ $# = 0 ]; then
		sed -n '/^\t_arguments/,/^\t\[\[/p' "$zsh_file"
	else
		awk -v command="$1" '
			/^\t[a-z |]+\)$/ { mine = match($0, "[\t ]" command "[ )]") }
			mine
		' "$zsh_file"
	fi | sed -e 's/\[[^]]*\]//g' -e 's/_arguments.* [$]help/-h --help/' -e 's/_arguments\( -[A-Z]\)*//' |
		grep -oE -- '--?[a-zA-Z][a-zA-Z-]*' | sort -u
}

for shell in fish zsh; do
	expect_equal "the commands for $shell" "$(commands | sort)" "$("${shell}_commands" | sort)"
	expect_equal "the options for $shell without a command" "$(own_options)" "$("${shell}_options")"
	for command in $(commands); do
		expect_equal "the options of $command for $shell" "$(own_options "$command")" "$("${shell}_options" "$command")"
	done
done
pass
