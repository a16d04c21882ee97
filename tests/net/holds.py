# SPDX-License-Identifier: ISC
"""Whether a process has one of the keys in its memory, as bytes, in hexadecimal or in base64.

usage: holds.py PID BASE64-KEY...
"""
import base64, sys
wanted = [base64.b64decode(key) for key in sys.argv[2:]]
wanted += [key.hex().encode() for key in wanted] + [key.encode() for key in sys.argv[2:]]
found = False
with open(f"/proc/{sys.argv[1]}/maps") as maps, open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as mem:
    for line in maps:
        where, mode = line.split()[:2]
        start, end = (int(part, 16) for part in where.split("-"))
        if not mode.startswith("rw") or end - start > 1 << 28:  # a sanitizer's shadow
            continue
        mem.seek(start)
        try:
            memory = mem.read(end - start)
        except OSError:
            continue
        found |= any(key in memory for key in wanted)
sys.exit(not found)
