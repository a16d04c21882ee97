# SPDX-License-Identifier: ISC
# Draws four of the medians. Variables: data (report.awk's form "plot"), picture.
set terminal svg size 1100,900 font "sans-serif,13" background "white"
set output picture
set datafile missing "?"
set style fill solid 0.8 noborder
set boxwidth 0.7
set grid ytics lt 1 lc rgb "#dddddd"
set border 3
set xtics nomirror rotate by -35 noenhanced
set ytics nomirror
set yrange [0:*]
set xrange [-0.6:*]
unset key
# The plain wire would dwarf the rest: it is drawn, in grey, where it tells something.
color(name) = name[1:7] eq "culvert" ? 0x1f77b4 : name eq "veth" ? 0xbbbbbb : 0xff7f0e
set multiplot layout 2,2
set title "TCP, one flow: Gbit/s (more is better)"
set yrange [0:*]
plot data using 0:2:(color(strcol(1))):xtic(1) with boxes lc rgb variable, \
	data using 0:2:(sprintf("%.3g", $2)) with labels offset 0,0.7
set title "CPU seconds per GB, both ends (less is better)"
plot data using 0:3:(color(strcol(1))):xtic(1) with boxes lc rgb variable, \
	data using 0:3:(sprintf("%.3g", $3)) with labels offset 0,0.7
set title "UDP flood of full packets: thousand/s received (more is better)"
plot data using 0:4:(color(strcol(1))):xtic(1) with boxes lc rgb variable, \
	data using 0:4:(sprintf("%.3g", $4)) with labels offset 0,0.7
set title "ping, idle: µs (less is better)"
plot data using 0:5:(color(strcol(1))):xtic(1) with boxes lc rgb variable, \
	data using 0:5:(sprintf("%.3g", $5)) with labels offset 0,0.7
unset multiplot
