# table.awk: lines `name, work, cores, ns` as a table (Markdown), a figure being the median of the passes.

BEGIN {
	FS = "\t"
}

{
	key = $1 SUBSEP $2 SUBSEP $3
	value[key, ++count[key]] = $4 + 0
	if (!($1 in seen)) {
		seen[$1] = 1
		names[++name_count] = $1
	}
}

function median(name, work, cores,    key, n, i, j, swap) {
	key = name SUBSEP work SUBSEP cores
	n = count[key]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && value[key, j] < value[key, j - 1]; j--) {
			swap = value[key, j]
			value[key, j] = value[key, j - 1]
			value[key, j - 1] = swap
		}
	return n ? value[key, int((n + 1) / 2)] : -1
}

function us(name, work, cores,    ns) {
	ns = median(name, work, cores)
	return ns < 0 ? "-" : sprintf("%.1f", ns / 1000)
}

function ns(name, work,    at) {
	at = median(name, work, 1)
	return at < 0 ? "-" : sprintf("%.0f", at)
}

END {
	print "| | a function in a worker thread, p50 µs, 1 core | 2 cores | a foreign thread calls in, p50 µs, 1 core | 2 cores | yield, ns | start and join, ns |"
	print "|---|---|---|---|---|---|---|"
	for (i = 1; i <= name_count; i++) {
		name = names[i]
		printf "| %s | %s | %s | %s | %s | %s | %s |\n", name, us(name, "run_in_thread", 1),
		       us(name, "run_in_thread", 2), us(name, "call_in", 1), us(name, "call_in", 2),
		       ns(name, "yield"), ns(name, "spawn_join")
	}
}
