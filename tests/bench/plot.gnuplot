# SPDX-License-Identifier: ISC
# Draws four of the medians, the two main ones large: TCP, and the CPU time that it takes. Variables: data (report.awk's
# form "plot"), picture.
set terminal svg size 1200,900 font "sans-serif,14" background "white"
set output picture
set datafile missing "?"
set style fill solid 0.8 noborder
set border 2
unset key
unset xtics
set ytics nomirror noenhanced scale 0
set lmargin 26
set rmargin 8
stats data using 0 nooutput
set yrange [STATS_records - 0.4:-0.6]
set xrange [0:*]
# culvert with another at the other end is paler.
color(name) = strstrt(name, "-to-") ? 0x8fbbd9 : name[1:7] eq "culvert" ? 0x1f77b4 : 0xff7f0e
set multiplot
set size 0.5,0.58
set origin 0,0.42
set title "TCP, one flow: Gbit/s\n(more is better)"
plot data using ($2 / 2):0:($2 / 2):(0.38):(color(strcol(1))):ytic(1) with boxxyerror lc rgb variable, \
	data using 2:0:(sprintf("%.3g", $2)) with labels left offset 0.5,0
set origin 0.5,0.42
set title "CPU of both ends: seconds per GB\n(less is better)"
plot data using ($3 / 2):0:($3 / 2):(0.38):(color(strcol(1))):ytic(1) with boxxyerror lc rgb variable, \
	data using 3:0:(sprintf("%.3g", $3)) with labels left offset 0.5,0
set size 0.5,0.4
set origin 0,0
set title "UDP flood of full packets: thousand/s received\n(more is better)"
plot data using ($4 / 2):0:($4 / 2):(0.38):(color(strcol(1))):ytic(1) with boxxyerror lc rgb variable, \
	data using 4:0:(sprintf("%.3g", $4)) with labels left offset 0.5,0
set origin 0.5,0
set title "ping, idle: µs\n(less is better)"
plot data using ($5 / 2):0:($5 / 2):(0.38):(color(strcol(1))):ytic(1) with boxxyerror lc rgb variable, \
	data using 5:0:(sprintf("%.3g", $5)) with labels left offset 0.5,0
unset multiplot
