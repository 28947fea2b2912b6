# matrix.awk: the conformance matrix. Reads conformance.tsv, then scenarios.tsv; fails when a scenario of a
# required group has no row on a backend and mode it applies to, or a row that failed.

function place(number, backend, mode)
{
	return number SUBSEP backend SUBSEP mode
}

function cell(number, backend, mode, needed,    state)
{
	state = rows[place(number, backend, mode)]
	if (state == "fail") {
		bad = bad sprintf("%s: a test of it fails on %s, %s\n", number, backend, mode)
		return "FAIL"
	}
	if (state == "pass" || state == "skip")
		return state
	if (!needed)
		return "-"
	if (index(" " required " ", " " group " "))
		bad = bad sprintf("%s: no test of it on %s, %s\n", number, backend, mode)
	return "none"
}

BEGIN {
	columns = split("libuv own,libuv adopted,libev own,libev adopted,libevent own,libevent adopted," \
			"virtual own,core -", column, ",")
}

FILENAME ~ /conformance\.tsv$/ {
	at = place($1, $2, $3)
	# Of several tests of a rule one that fails counts most, and one that the machine cannot run least.
	if (rows[at] != "fail" && !(rows[at] == "pass" && $4 == "skip"))
		rows[at] = $4
	next
}

FNR == 1 {
	printf "%-6s %-5s %-15s %-15s %-15s %-7s %-4s  %s\n", "number", "group", "libuv", "libev",
		"libevent", "virtual", "core", "rule"
	printf "%-12s %-7s %-7s %-7s %-7s %-7s %-7s\n", "", "own", "adopted", "own", "adopted", "own",
		"adopted"
	next
}

{
	number = $1
	group = $2
	where = "," $3 ","
	line = sprintf("%-6s %-5s", number, group)
	for (i = 1; i <= columns; i++) {
		split(column[i], c, " ")
		needed = where ~ /,(loop|real),/ && c[1] != "core"
		if (where ~ /,own,/ && c[2] == "own")
			needed = 1
		if (where ~ /,real,/ && c[1] == "virtual")
			needed = 0
		if (where ~ /,virtual,/ && c[1] == "virtual")
			needed = 1
		if (where ~ /,core,/ && c[1] == "core")
			needed = 1
		text = where ~ /,n\/a,/ ? (c[1] == "core" ? "n/a" : "-") : \
			cell(number, c[1], c[2], needed)
		line = line sprintf(" %-7s", text)
	}
	printf "%s %.60s\n", line, $4
}

END {
	printf "%s", bad
	exit bad != ""
}
