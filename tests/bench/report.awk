# SPDX-License-Identifier: ISC
# Makes tables of results.tsv (round, VPN, metric, value). First file: metric, name. Variables: vpns, the columns;
# base, the VPN that ratios are against; what: median, ratio, range, or plot (a line a VPN, for gnuplot).

function add(key, value,    i) {
	for (i = ++count[key]; i > 1 && values[key, i - 1] > value; i--)
		values[key, i] = values[key, i - 1]
	values[key, i] = value
}

function median(key,    n) {
	n = count[key]
	return n % 2 ? values[key, (n + 1) / 2] : (values[key, n / 2] + values[key, n / 2 + 1]) / 2
}

function number(value) {
	return sprintf(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value)
}

function cell(vpn, metric,    key, reference) {
	key = vpn SUBSEP metric
	reference = base SUBSEP metric
	if (!count[key])
		return "-"
	if (what == "range")
		return number(values[key, 1]) "–" number(values[key, count[key]])
	if (what == "median")
		return number(median(key))
	return count[reference] && median(reference) > 0 ? number(median(key) / median(reference)) : "-"
}

# Characters of UTF-8: the bytes that begin one. Takes LC_ALL=C.
function width(text) {
	gsub(/[\200-\277]/, "", text)
	return length(text)
}

function pad(text, columns, right,    spaces) {
	spaces = sprintf("%" (columns - width(text) > 0 ? columns - width(text) : 0) "s", "")
	return right ? spaces text : text spaces
}

function line(row,    column, text) {
	text = "|"
	for (column = 0; column <= vpn_count; column++)
		text = text " " pad(cells[row, column], widths[column], column) " |"
	return text
}

function rule(    column, text, dashes) {
	text = "|"
	for (column = 0; column <= vpn_count; column++) {
		dashes = sprintf("%" widths[column] "s", "")
		gsub(/ /, "-", dashes)
		text = text (column ? "-" dashes ":" : ":" dashes "-") "|"
	}
	return text
}

BEGIN {
	FS = "\t"
	vpn_count = split(vpns, vpn, " ")
}

FNR == NR {
	metric[++metric_count] = $1
	name[metric_count] = $2
	next
}

{ add($2 SUBSEP $3, $4 + 0) }

function fill(    row, column) {
	for (column = 1; column <= vpn_count; column++)
		cells[0, column] = vpn[column]
	for (row = 1; row <= metric_count; row++) {
		cells[row, 0] = name[row]
		for (column = 1; column <= vpn_count; column++)
			cells[row, column] = cell(vpn[column], metric[row])
	}
	for (row = 0; row <= metric_count; row++)
		for (column = 0; column <= vpn_count; column++)
			if (width(cells[row, column]) > widths[column])
				widths[column] = width(cells[row, column])
}

function plot_value(vpn, metric,    key) {
	key = vpn SUBSEP metric
	return count[key] ? median(key) : "?"
}

END {
	if (what == "plot") {
		for (i = 1; i <= vpn_count; i++)
			print vpn[i], plot_value(vpn[i], "tcp_one"), plot_value(vpn[i], "cpu"),
				plot_value(vpn[i], "udp_full"), plot_value(vpn[i], "ping")
		exit
	}
	fill()
	print line(0)
	print rule()
	for (i = 1; i <= metric_count; i++)
		print line(i)
}
