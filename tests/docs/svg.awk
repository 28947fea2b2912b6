# svg.awk: complains about a plot that shows nothing: a coordinate that is no number, or lies outside the
# picture, or no path, bar or dot beyond the three of the legend. Gives 1 then.

function complain(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what >"/dev/stderr"
	bad = 1
}

function check_number(text, most) {
	if (text !~ /^-?[0-9]+(\.[0-9]+)?$/)
		complain("\"" text "\" is no number")
	else if (text + 0 < 0 || text + 0 > most)
		complain(text " is outside the picture, which has " most)
}

# The values of one attribute in the line: all of them, of a path also.
function check(name, most,    rest, value) {
	rest = $0
	while (match(rest, "[ \"]" name "=\"[^\"]*\"")) {
		value = substr(rest, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
		check_number(value, most)
		rest = substr(rest, RSTART + RLENGTH)
	}
}

function check_path(    path, part, i, n) {
	match($0, / d="[^"]*"/)
	path = substr($0, RSTART + 4, RLENGTH - 5)
	gsub(/[ML]/, " ", path)
	n = split(path, part, " ")
	if (n == 0)
		complain("a path with no points")
	for (i = 1; i <= n; i++)
		check_number(part[i], i % 2 ? width : height)
}

function finish() {
	if (file != "" && dots <= 3)
		complain("nothing is drawn: " file)
}

FNR == 1 {
	finish()
	file = FILENAME
	dots = 0
	match($0, /viewBox="[^"]*"/)
	split(substr($0, RSTART + 9, RLENGTH - 10), box, " ")
	width = box[3] + 0
	height = box[4] + 0
	if (width <= 0 || height <= 0)
		complain("no viewBox")
}

/<circle/ || (/<rect / && !/fill="#f/) { dots++ } # bars, but no background
/<path/ { check_path() }
{
	check("x", width); check("x1", width); check("x2", width); check("cx", width)
	check("y", height); check("y1", height); check("y2", height); check("cy", height)
}
/(^|[^a-z])(nan|inf)([^a-z]|$)/ { complain("not a number") }

END {
	finish()
	exit bad
}
