# shellcheck shell=bash
# SPDX-License-Identifier: ISC
# What all shells should offer: one table for them. A test of a shell defines
#	offered LINE    prints what the shell offers at the end of LINE, a word a line
# and calls check_completion.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

culvert=$build/culvert
export PATH=$build:$PATH # the shells ask it for the keys of a file
root=$tmp/root # stands for /

# The commands that "culvert --help" names.
commands() { "$culvert" --help | sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p'; }

# The options that the help of a command names, or without a command that of culvert. Each command has --help.
options() { # [COMMAND]
	[ "${1-}" != help ] || return 0
	options_in <<<"$("$culvert" "$@" --help)"
}
# Without the keys of a file, which the program alone has a list of.
own_options() { # [COMMAND]
	[ "${1-}" != help ] || return 0
	options_in <<<"$("$culvert" "$@" --help | sed '/in place of a file, which/,$d')"
}
options_in() {
	{
		grep -E '^ {2,6}-' | grep -oE '^ *-[a-zA-Z], --[a-z-]+|^ *--[a-z-]+' | grep -oE -- '-[-a-zA-Z]+'
		printf '%s\n' -h --help
	} | sort -u
}

make_tunnels() {
	mkdir -p "$root/etc/culvert" "$root/run/culvert" "$root/run/culvert-monitor" "$root/etc/culvert/sub"
	touch "$root"/etc/culvert/{office,home}.conf "$root/etc/culvert/office.key"
	touch "$root/etc/culvert/\$(id).conf" # no tunnel's name: it must not even be looked at
	touch "$root"/run/culvert/{home.sock,home.lock,car.sock,dead.state,gone.dns}
	touch "$root"/run/culvert-monitor/{shop.sock,shop.wg,lost.state,away.dns}
}

# The line up to the cursor | all that is offered.
cases() {
	cat <<-'CASES'
		culvert run | home office
		culvert run o| office
		culvert run x|
		culvert run -v | home office
		culvert run office |
		culvert run --v| --verbose
		culvert run --n| --name --network-namespace --no-hooks
		culvert run --shared| --shared-key-file
		culvert run --address |
		culvert run --address 10.9.0.1/30 |
		culvert run --address 10.9.0.1/30 --mt| --mtu
		culvert check --allowed| --allowed-ips
		culvert check office h| home
		culvert strip | home office
		culvert block | home office
		culvert status | car home shop
		culvert status --json | car home shop
		culvert status --watch 5 | car home shop
		culvert status -w 5 h| home
		culvert status home |
		culvert status --j| --json
		culvert reload | car home shop
		culvert reload home |
		culvert reload --h| --hand-over --help
		culvert pause | 0 300 3600 60 car home shop
		culvert pause home | 0 300 3600 60
		culvert pause home 3| 300 3600
		culvert pause 60 |
		culvert pause home 60 |
		culvert down | away dead gone home lost office
		culvert down home |
		culvert genkey |
		culvert bench --j| --json
		culvert r| reload run
		culvert help s| status strip
		culvert help run |
	CASES
}

words() { tr ' ' '\n' | grep . | sort -u | paste -sd ' '; }

check_cases() {
	local line expected
	while IFS='|' read -r line expected; do
		expect_equal "what '$line' offers" "$(words <<<"$expected")" "$(offered "$line" | words)"
	done < <(cases)
}

# Neither more nor less than the help tells of, so that a new option is not forgotten, nor an old one kept.
check_against_help() {
	local command
	[ "$(commands | wc -l)" -gt 10 ] || fail "culvert --help is not understood: $("$culvert" --help)"
	expect_equal "the commands" "$(commands | sort)" "$(offered 'culvert ' | sort)"
	expect_equal "the commands after help" "$(commands | grep -vx help | sort)" \
		"$(offered 'culvert help ' | grep -vx help | sort)"
	expect_equal "the options without a command" "$(options)" "$(offered 'culvert -' | sort)"
	for command in $(commands); do
		expect_equal "the options of $command" "$(options "$command")" "$(offered "culvert $command -" | sort)"
	done
}

# A word with a slash in it is a file's path.
check_paths() {
	grep -q 'home\.conf$' <<<"$(offered "culvert run $root/etc/culvert/")" || wrong "no file is offered"
	! grep 'conf' <<<"$(offered "culvert status $root/etc/culvert/")" || wrong "status takes no file"
}

check_completion() {
	make_tunnels
	check_against_help
	check_cases
	check_paths
	pass
}
