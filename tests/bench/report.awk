# SPDX-License-Identifier: ISC
# Makes tables of results.tsv (round, VPN, metric, value). Variables: vpns, the columns; base, the VPN that ratios are
# against; what: median, ratio, range, goals, or plot (a line a VPN, for gnuplot); goal_vpns, whose bounds the goals
# hold. And part, before each file: metrics (metric, name), goals (as in lib.sh), results, which is the last.

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

# The median of the ratios within each round; "" if no round has both.
function ratio(vpn, metric, base,    key, round) {
	key = vpn SUBSEP metric SUBSEP base
	if (!(key in count))
		for (round = 1; round <= rounds; round++)
			if ((vpn, metric, round) in single && single[base, metric, round] > 0)
				add(key, single[vpn, metric, round] / single[base, metric, round])
	return count[key] ? median(key) : ""
}

function cell(vpn, metric,    key, value) {
	key = vpn SUBSEP metric
	if (!count[key])
		return "-"
	if (what == "range")
		return number(values[key, 1]) "–" number(values[key, count[key]])
	value = what == "median" ? median(key) : ratio(vpn, metric, base)
	return value == "" ? "-" : number(value)
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
	for (column = 0; column <= columns; column++)
		text = text " " pad(cells[row, column], widths[column], column) " |"
	return text
}

function rule(    column, text, dashes) {
	text = "|"
	for (column = 0; column <= columns; column++) {
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

part == "metrics" {
	metric[++metric_count] = $1
	name[$1] = $2
}

part == "goals" { goal[++goal_count] = $0 }

part == "results" {
	add($2 SUBSEP $3, $4 + 0)
	single[$2, $3, $1] = $4 + 0
	if ($1 > rounds)
		rounds = $1
}

# A row a metric, a column a VPN.
function fill_figures(    column) {
	columns = vpn_count
	rows = metric_count
	for (column = 1; column <= columns; column++)
		cells[0, column] = vpn[column]
	for (row = 1; row <= rows; row++) {
		cells[row, 0] = name[metric[row]]
		for (column = 1; column <= columns; column++)
			cells[row, column] = cell(vpn[column], metric[row])
	}
}

function fill_goal(vpn, metric, relation, against, bound,    key, value, label, unit) {
	key = vpn SUBSEP metric
	value = against != "itself" ? ratio(vpn, metric, against) : count[key] ? median(key) : ""
	label = unit = name[metric]
	sub(/, [^,]*$/, "", label)
	sub(/.*, /, "", unit)
	cells[++rows, 0] = vpn ": " label (relation == ">=" ? ": at least " : ": at most ") bound \
		(against == "itself" ? " " unit : " x " against)
	cells[rows, 1] = value == "" ? "-" : number(value)
	cells[rows, 2] = value == "" ? "-" : (relation == ">=" ? value >= bound : value <= bound) ? "yes" : "no"
}

# A row a goal of one VPN.
function fill_goals(    i, j, n, names, field) {
	columns = 2
	cells[0, 0] = "Goal"
	cells[0, 1] = "Measured"
	cells[0, 2] = "Met"
	n = split(goal_vpns, names, " ")
	for (i = 1; i <= goal_count; i++) {
		split(goal[i], field, "\t")
		for (j = 1; j <= n; j++)
			if (field[3 + j] != "-")
				fill_goal(names[j], field[1], field[2], field[3], field[3 + j] + 0)
	}
}

function print_table(    column) {
	for (row = 0; row <= rows; row++)
		for (column = 0; column <= columns; column++)
			if (width(cells[row, column]) > widths[column])
				widths[column] = width(cells[row, column])
	print line(0)
	print rule()
	for (row = 1; row <= rows; row++)
		print line(row)
}

function plot_value(vpn, metric,    key) {
	key = vpn SUBSEP metric
	return count[key] ? median(key) : "?"
}

END {
	if (what == "plot") {
		# The plain wire would dwarf the rest.
		for (i = 1; i <= vpn_count; i++)
			if (vpn[i] != "veth")
				print vpn[i], plot_value(vpn[i], "tcp_one"), plot_value(vpn[i], "cpu"),
					plot_value(vpn[i], "udp_full"), plot_value(vpn[i], "ping")
		exit
	}
	if (what == "goals")
		fill_goals()
	else
		fill_figures()
	print_table()
}
