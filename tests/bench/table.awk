# table.awk: the benchmarks' lines as a table of ratios against targets, one column a loop (Markdown), and
# those of `scale` as one of totals.

function field(name,    i) {
	for (i = 1; i <= NF; i++)
		if (index($i, name "=") == 1)
			return substr($i, length(name) + 2)
	return ""
}

function conditions(    i, text, pair) {
	text = ""
	for (i = 3; i <= NF && $i !~ /^stat=/; i++) {
		split($i, pair, "=")
		if (pair[1] == "cores")
			text = text ", " pair[2] (pair[2] == 1 ? " core" : " cores")
		else if (pair[1] == "hogs" || pair[1] == "gap_us") {
			if (pair[2] > 0)
				text = text ", " pair[1] " " pair[2]
		} else
			text = text ", " pair[1] " " pair[2]
	}
	gsub(/_/, " ", text)
	return substr(text, 3)
}

function short(x) {
	x += 0
	return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x)
}

# n is of operations; memory is of each of the tasks, connections, ...
function add_scale(    key, many, ours) {
	many = field("tasks") field("connections") field("callers") field("workers")
	key = many " " field("via") ", " loop
	gsub(/_/, " ", key)
	if (!(key in scaled)) {
		scaled[key] = ++scale_count
		scales[scale_count] = key
	}
	ours = field("ours")
	scale[key, stat] = stat == "memory" ? \
		sprintf("%d B | %.1f MiB", ours, ours * many / 1048576) : \
		sprintf("%s µs | %.2f s", short(ours / 1000), ours * field("n") / 1e9)
}

/^bench=/ {
	work = field("bench"); loop = field("loop"); stat = field("stat"); target = field("target") + 0
	if (stat == "failed") {
		printf "FAILED: %s\n", $0
		next
	}
	if (work == "scale")
		add_scale()
	if (!target)
		next
	key = work "|" conditions() "|" stat "|" field("base")
	if (!(key in seen)) {
		seen[key] = 1
		order[++count] = key
		targets[key] = target
	}
	if (!(loop in columns)) {
		columns[loop] = 1
		loops[++loop_count] = loop
	}
	ratio = field("ratio") + 0
	cell[key, loop] = sprintf("%s%s%s (%s–%s)", ratio <= target ? "" : "**", short(ratio),
				  ratio <= target ? "" : "**", short(field("min")), short(field("max")))
	met[loop] += ratio <= target
	all[loop]++
}

function print_scale(    r, key) {
	if (!scale_count)
		return
	printf "\n| scale | processor time of one | of all | wall time of one | of all | memory of one | of all |\n"
	printf "|---|---|---|---|---|---|---|\n"
	for (r = 1; r <= scale_count; r++) {
		key = scales[r]
		printf "| %s | %s | %s | %s |\n", key, scale[key, "cpu"], scale[key, "wall"], scale[key, "memory"]
	}
}

END {
	if (!count) {
		print_scale()
		exit
	}
	printf "| work | conditions | figure | against | target |"
	for (l = 1; l <= loop_count; l++)
		printf " %s |", loops[l]
	printf "\n|---|---|---|---|---|"
	for (l = 1; l <= loop_count; l++)
		printf "---|"
	printf "\n"
	for (r = 1; r <= count; r++) {
		key = order[r]
		split(key, part, "|")
		gsub(/_/, " ", part[3])
		gsub(/_/, " ", part[4])
		printf "| %s | %s | %s | %s | %s |", part[1], part[2], part[3], part[4], targets[key]
		for (l = 1; l <= loop_count; l++)
			printf " %s |", cell[key, loops[l]]
		printf "\n"
	}
	printf "| | | | | met |"
	for (l = 1; l <= loop_count; l++)
		printf " %d of %d |", met[loops[l]], all[loops[l]]
	printf "\n"
	print_scale()
}
