# table.awk: the rows of every stage as a table group x backend, "passed" or "passed/all", and as three
# counts in the file that `counts` names: passed, failed, skipped. A test counts once in each stage.

{
	split($5, path, "/")
	key = FILENAME SUBSEP $2 SUBSEP $3 SUBSEP $5
	if (key in seen)
		next
	seen[key] = 1
	if ($4 == "skip") {
		skipped++
		next
	}
	groups[path[1]] = 1
	all[path[1], $2]++
	if ($4 == "pass") {
		pass[path[1], $2]++
		passed++
	} else {
		failed++
	}
}

END {
	print passed + 0, failed + 0, skipped + 0 >counts
	columns = split("core libuv libev libevent virtual", column, " ")
	printf "%-6s", "group"
	for (i = 1; i <= columns; i++)
		printf " %11s", column[i]
	print ""
	for (c = 65; c <= 90; c++) {
		group = sprintf("%c", c)
		if (!(group in groups))
			continue
		printf "%-6s", group
		for (i = 1; i <= columns; i++) {
			n = all[group, column[i]]
			p = pass[group, column[i]] + 0
			printf " %11s", !n ? "-" : p == n ? n : p "/" n
		}
		print ""
	}
}
