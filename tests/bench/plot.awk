# plot.awk: two kinds of SVG plots of the benchmarks' lines, into `directory`: of each work the ratios of
# each loop over their target, and for works that have them the costs against how many there are.

function field(name,    i) {
	for (i = 1; i <= NF; i++)
		if (index($i, name "=") == 1)
			return substr($i, length(name) + 2)
	return ""
}

function label(    i, text) {
	text = ""
	for (i = 3; i <= NF && $i !~ /^n=/; i++)
		if ($i !~ /^(hogs|gap_us)=0$/)
			text = text ", " $i
	gsub(/(via|stat)=/, "", text)
	gsub(/cores=1,/, "1 core,", text)
	gsub(/cores=2,/, "2 cores,", text)
	gsub(/[=_]/, " ", text)
	return substr(text, 3)
}

function log10(x) {
	return log(x) / log(10)
}

# The power of ten at or below x, and the one at or above it; log10 of a power of ten may be a bit off.
function decade_below(x,    n) {
	n = int(log10(x)) - 2
	while (10 ^ (n + 1) <= x)
		n++
	return n
}

function decade_above(x,    n) {
	n = decade_below(x)
	return 10 ^ n < x ? n + 1 : n
}

function open_svg(name, width, height, title) {
	file = directory "/" name ".svg"
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" ", width, height > file
	printf "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n" > file
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height > file
	printf "<text x=\"10\" y=\"20\" font-size=\"15\">%s</text>\n", title > file
}

function text(x, y, string, anchor) {
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, string > file
}

function line(x1, y1, x2, y2, colour, width) {
	printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%g\"/>\n",
	       x1, y1, x2, y2, colour, width > file
}

function dot(x, y, colour) {
	printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x, y, colour > file
}

function close_svg() {
	print "</svg>" > file
	close(file)
}

function legend(x, y,    l) {
	for (l = 1; l <= loop_count; l++) {
		dot(x + 90 * (l - 1), y - 4, colours[l])
		text(x + 90 * (l - 1) + 8, y, loops[l], "start")
	}
}

BEGIN {
	split("#1b6ca8 #d1495b #2e8b57", colours, " ")
}

/^bench=/ && field("stat") != "failed" {
	work = field("bench"); loop = field("loop")
	if (!(work in works)) {
		works[work] = ++work_count
		work_names[work_count] = work
	}
	if (!(loop in loop_index)) {
		loop_index[loop] = ++loop_count
		loops[loop_count] = loop
	}
	if (field("target") != "") {
		key = work SUBSEP label() " against " field("base")
		if (!(key in row_of)) {
			row_of[key] = ++rows[work]
			row_label[work, rows[work]] = label() " / " field("base")
		}
		r = row_of[key]
		ratio[work, r, loop] = field("ratio") / field("target")
		low[work, r, loop] = field("min") / field("target")
		high[work, r, loop] = field("max") / field("target")
	}
	many = field("tasks") field("connections")
	if (many != "" && (work == "P12" || work == "P10" || work == "P7" || work == "P8")) {
		name = field("via") " " field("stat")
		if (name ~ /(cost|server_cpu|cpu|wake|start)/ && !((work, name, loop, many) in taken)) {
			taken[work, name, loop, many] = 1
			unit[work] = field("unit")
			if (!((work, name) in series_seen)) {
				series_seen[work, name] = 1
				series[work, ++series_count[work]] = name
			}
			n = ++points[work, name, loop]
			px[work, name, loop, n] = many + 0 # numbers: texts are compared letter by letter
			py[work, name, loop, n] = field("ours") + 0
		}
	}
}

function clamp(x, least, most) {
	return x < least ? least : x > most ? most : x
}

# From a hundredth of the target to a hundred times it.
function ratio_x(value) {
	return 420 + 130 * (clamp(log10(value > 0 ? value : 1e-9), -2, 2) + 2)
}

function plot_ratios(work,    r, l, y, x) {
	open_svg(work, 960, 70 + 22 * rows[work], work ": ratio over its target; left of the line it is met")
	legend(640, 20)
	for (x = -2; x <= 2; x++) {
		line(ratio_x(10 ^ x), 40, ratio_x(10 ^ x), 50 + 22 * rows[work], x ? "#ddd" : "#222", 1)
		text(ratio_x(10 ^ x), 64 + 22 * rows[work], sprintf("%g", 10 ^ x), "middle")
	}
	for (r = 1; r <= rows[work]; r++) {
		y = 42 + 22 * r - 8
		text(410, y + 4, row_label[work, r], "end")
		for (l = 1; l <= loop_count; l++)
			if ((work, r, loops[l]) in ratio) {
				line(ratio_x(low[work, r, loops[l]]), y + 5 * (l - 2),
				     ratio_x(high[work, r, loops[l]]), y + 5 * (l - 2), colours[l], 1)
				dot(ratio_x(ratio[work, r, loops[l]]), y + 5 * (l - 2), colours[l])
			}
	}
	close_svg()
}

function plot_costs(work,    s, l, n, x, y, name, min_x, max_x, min_y, max_y, dash) {
	min_x = min_y = 1e18; max_x = max_y = 0
	for (s = 1; s <= series_count[work]; s++)
		for (l = 1; l <= loop_count; l++)
			for (n = 1; n <= points[work, series[work, s], loops[l]]; n++) {
				x = px[work, series[work, s], loops[l], n]
				y = py[work, series[work, s], loops[l], n]
				if (y <= 0)
					continue
				if (x < min_x) min_x = x
				if (x > max_x) max_x = x
				if (y < min_y) min_y = y
				if (y > max_y) max_y = y
			}
	if (max_x <= min_x)
		return
	min_x = decade_below(min_x); max_x = decade_above(max_x)
	min_y = decade_below(min_y); max_y = decade_above(max_y)
	if (max_y == min_y)
		max_y++
	name = unit[work] == "" ? "ns" : unit[work]
	gsub(/_/, " ", name)
	open_svg(work "-cost", 960, 460, work ": " name " against how many (tasks, timers, futures, threads, connections)")
	legend(640, 40)
	for (x = min_x; x <= max_x; x++) {
		line(80 + 640 * (x - min_x) / (max_x - min_x), 60, 80 + 640 * (x - min_x) / (max_x - min_x), 420, "#ddd", 1)
		text(80 + 640 * (x - min_x) / (max_x - min_x), 440, sprintf("%d", 10 ^ x), "middle")
	}
	for (y = min_y; y <= max_y; y++) {
		line(80, 420 - 360 * (y - min_y) / (max_y - min_y), 720, 420 - 360 * (y - min_y) / (max_y - min_y), "#ddd", 1)
		text(74, 424 - 360 * (y - min_y) / (max_y - min_y), sprintf(y < 0 ? "%g" : "%d", 10 ^ y), "end")
	}
	for (s = 1; s <= series_count[work]; s++) {
		name = series[work, s]
		dash = s % 2 ? "" : " stroke-dasharray=\"6 3\""
		for (l = 1; l <= loop_count; l++) {
			path = ""
			for (n = 1; n <= points[work, name, loops[l]]; n++) {
				y = py[work, name, loops[l], n]
				if (y <= 0)
					continue
				x = 80 + 640 * (log10(px[work, name, loops[l], n]) - min_x) / (max_x - min_x)
				y = 420 - 360 * (log10(y) - min_y) / (max_y - min_y)
				path = path sprintf("%s%.1f %.1f", path == "" ? "M" : " L", x, y)
				dot(x, y, colours[l])
			}
			printf "<path d=\"%s\" fill=\"none\" stroke=\"%s\"%s/>\n", path, colours[l], dash > file
		}
		if (path != "")
			text(730, y + 4, name, "start")
	}
	close_svg()
}

END {
	for (w = 1; w <= work_count; w++) {
		if (rows[work_names[w]])
			plot_ratios(work_names[w])
		if (series_count[work_names[w]])
			plot_costs(work_names[w])
	}
}
