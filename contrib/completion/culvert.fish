# SPDX-License-Identifier: ISC
# What fish offers after 'culvert'.

# The names of tunnels that files tell of, those that a tunnel can have. __culvert_root is for tests.
function __culvert_names --argument-names directory
    for ending in $argv[2..-1]
        for path in "$__culvert_root"$directory/*.$ending
            string replace -fr '^.*/([a-zA-Z0-9_=+.-]+)\.[a-z]+$' '$1' -- $path
        end
    end
end

function __culvert_configured
    __culvert_names /etc/culvert conf
end

function __culvert_running
    __culvert_names /run/culvert sock
    __culvert_names /run/culvert-monitor sock
end

function __culvert_left
    __culvert_names /run/culvert state dns
    __culvert_names /run/culvert-monitor state dns
end

function __culvert_begins -d 'There is no command yet'
    test (count (commandline -opc)) -eq 1
end

function __culvert_in -d 'The command is one of these'
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

function __culvert_count -d 'How many arguments there are before the cursor'
    set -l count 0
    set -l before ''
    for word in (commandline -opc)[3..-1]
        string match -qr '^((-w|--watch) [0-9]|\S* -)' -- "$before $word"; or set count (math $count + 1)
        set before $word
    end
    echo $count
end

function __culvert_first -d 'The command is one of these and has no argument yet'
    __culvert_in $argv; and test (__culvert_count) -eq 0
end

function __culvert_path -d 'The word at the cursor is a path: it has a slash'
    string match -q '*/*' -- (commandline -ct)
end

function __culvert_seconds -d 'Seconds may be next: after pause, or after pause NAME'
    __culvert_in pause; or return
    set -l words (commandline -opc)
    switch (__culvert_count)
        case 0
            return 0
        case 1
            not string match -qr '^[0-9]+$' -- $words[-1]
        case '*'
            return 1
    end
end

complete -c culvert -f
complete -c culvert -n __culvert_begins -s h -l help -d 'Show the commands'
complete -c culvert -n __culvert_begins -s V -l version -d 'Show the version'

complete -c culvert -n __culvert_begins -a run -d 'Run a tunnel in the foreground'
complete -c culvert -n __culvert_begins -a check -d 'Say everything that is wrong with a file'
complete -c culvert -n __culvert_begins -a status -d 'Show how the running tunnels do'
complete -c culvert -n __culvert_begins -a reload -d 'Have a running tunnel read its file again'
complete -c culvert -n __culvert_begins -a strip -d 'Print what the stock wg setconf takes'
complete -c culvert -n __culvert_begins -a pause -d 'Let traffic pass a full tunnel by for a while'
complete -c culvert -n __culvert_begins -a down -d 'Put back what a tunnel that died has left'
complete -c culvert -n __culvert_begins -a block -d 'Close a kill switch before the start'
complete -c culvert -n __culvert_begins -a genkey -d 'Make a private key'
complete -c culvert -n __culvert_begins -a pubkey -d "A private key's public key"
complete -c culvert -n __culvert_begins -a genpsk -d 'Make a secret for two ends to share'
complete -c culvert -n __culvert_begins -a bench -d 'Measure how fast each cipher is here'
complete -c culvert -n __culvert_begins -a help -d 'Say more about a command'

complete -c culvert -n '__culvert_in run check status reload strip pause down block genkey pubkey genpsk bench' \
    -s h -l help -d 'Say more about this command'
complete -c culvert -n '__culvert_in run' -s v -l verbose -d 'Log what helps to find a fault'
complete -c culvert -n '__culvert_in run' -l no-hooks -d 'Refuse hooks'
complete -c culvert -n '__culvert_in status' -l json -d 'For programs'
complete -c culvert -n '__culvert_in status' -s w -l watch -d 'Again and again until Ctrl-C'
complete -c culvert -n '__culvert_in reload' -l hand-over -d 'Also to a monitor without root give the file'
complete -c culvert -n '__culvert_in bench' -l json -d 'For programs'

# The keys of a tunnel's file, which run and check take as options in its place; the program has the list.
for key in (culvert run --help 2>/dev/null | sed -n '/in place of a file, which/,$ s/^ *--\([a-z-]*\) .*/\1/p')
    if string match -q '*-file' -- $key
        complete -c culvert -n '__culvert_in run check' -l $key -r -F
    else
        complete -c culvert -n '__culvert_in run check' -l $key -x
    end
end

complete -c culvert -n '__culvert_first run strip block' -a '(__culvert_configured)' -d Tunnel
complete -c culvert -n '__culvert_in check' -a '(__culvert_configured)' -d Tunnel
complete -c culvert -n '__culvert_in run check strip block; and __culvert_path' -F
complete -c culvert -n '__culvert_first status reload pause' -a '(__culvert_running)' -d 'Running tunnel'
complete -c culvert -n '__culvert_first down' -a '(__culvert_left; __culvert_configured)' -d Tunnel
complete -c culvert -n __culvert_seconds -a '0 60 300 3600' -d Seconds
complete -c culvert -n '__culvert_first help' \
    -a 'run check status reload strip pause down block genkey pubkey genpsk bench'
