# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2154 # lib.sh says where tmp is
# A service manager that hears what services say; for the tests that source lib.sh.

# What it was told: each datagram as a line of $tmp/manager; the lines within one are joined by a space.
told() { grep -aqE -- "$1" "$tmp/manager"; }

start_manager() {
	: >"$tmp/manager"
	background manager python3 -u -c '
import os, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
with open(sys.argv[2], "a") as out:
    while True:
        print(manager.recv(4096).decode().replace("\n", " "), file=out, flush=True)
' "$tmp/notify" "$tmp/manager"
	wait_for 10 "the manager listens" test -S "$tmp/notify"
}
