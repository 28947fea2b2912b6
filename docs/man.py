#!/usr/bin/env python3
"""man.py XML OUTPUT VERSION: from what Doxygen read in the headers a manual page of section 3 for each public function
and each public struct, and interloop(7), which lists the headers."""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

BOLD, ITALIC, ROMAN = r"\fB", r"\fI", r"\fR"


def escaped(text):
    text = re.sub(r"\s+", " ", text or "")
    return text.replace("\\", r"\e").replace("-", r"\-")


def inline(node):
    """What a paragraph says, on one line; what stands in blocks of its own is left to blocks()."""
    parts = [escaped(node.text)]
    for child in node:
        if child.tag in ("computeroutput", "bold"):
            parts.append(BOLD + inline(child) + ROMAN)
        elif child.tag in ("emphasis", "parametername"):
            parts.append(ITALIC + inline(child) + ROMAN)
        elif child.tag not in BLOCKS:
            parts.append(inline(child))
        parts.append(escaped(child.tail))
    return "".join(parts).strip() if node.tag == "para" else "".join(parts)


def line(text):
    """A line of text: one that begins with a dot or a quote would be a request."""
    return (r"\&" if text[:1] in (".", "'") else "") + text + "\n"


def code(node):
    rows = ["".join(t if t is not None else " " for t in texts(row)) for row in node.iter("codeline")] or \
        (node.text or "").splitlines()
    body = "".join(line(row.replace("\\", r"\e").replace("-", r"\-")) for row in rows)
    return ".PP\n.in +4n\n.nf\n" + body + ".fi\n.in\n"


def texts(row):
    for part in row.iter():
        yield " " if part.tag == "sp" else part.text or ""
        if part is not row:
            yield part.tail or ""


def items(node):
    return "".join(".IP \\(bu 2\n" + paragraphs(item).removeprefix(".PP\n") for item in node.iter("listitem"))


def table(node):
    rows = (" \\(bu ".join(inline(p) for p in row.iter("para")) for row in node.iter("row"))
    return "".join(".br\n" + line(row) for row in rows)


BLOCKS = {"programlisting": code, "verbatim": code, "itemizedlist": items, "orderedlist": items, "table": table,
          "parameterlist": lambda node: "", "simplesect": lambda node: ""}


def paragraphs(node):
    """Every paragraph below node, blocks between them; parameters and results have sections of their own."""
    out = []
    for para in node.findall("para"):
        text = inline(para)
        if text:
            out.append(".PP\n" + line(text))
        out += [BLOCKS[child.tag](child) for child in para if child.tag in BLOCKS]
        out += [".PP\n" + paragraphs(s).removeprefix(".PP\n") for s in para.findall("simplesect")
                if s.get("kind") not in ("return", "see")]
    return "".join(out)


def parameters(detail):
    out = []
    for item in detail.iter("parameteritem"):
        names = ", ".join(inline(name) for name in item.iter("parametername"))
        out.append(".TP\n" + ITALIC + names + ROMAN + "\n" +
                   paragraphs(item.find("parameterdescription")).removeprefix(".PP\n"))
    return "".join(out)


def returns(detail):
    return "".join(paragraphs(s) for s in detail.iter("simplesect") if s.get("kind") == "return").removeprefix(".PP\n")


def synopsis(function, header):
    kind = "".join(function.find("type").itertext()).strip()
    arguments = function.findtext("argsstring")
    name = function.findtext("name")
    head = kind + ("" if kind.endswith("*") else " ") + name
    rows = [f"{head}{arguments};"]
    if len(rows[0]) > 78:
        rows = arguments.lstrip("(").split(", ")
        rows = [f"{head}({rows[0]},"] + [" " * (len(head) + 1) + row + "," for row in rows[1:-1]] + \
            [" " * (len(head) + 1) + rows[-1] + ";"]
    return f".nf\n#include <interloop/{header}>\n.PP\n" + "".join(
        line(BOLD + row.replace("-", r"\-") + ROMAN) for row in rows) + ".fi\n"


def pages(names):
    return ", ".join(f"{BOLD}{n}{ROMAN}(3)" for n in names)


def words(text):
    return set(re.findall(r"\w+", text or ""))


def first_sentence(text):
    """Of a text for troff, without its full stop."""
    return re.split(r"\.(?:\\f.)?\s+(?=\S)", text, maxsplit=1)[0].rstrip(".")


def see_also(function, neighbours, structs):
    """The structs that it takes, then the functions of its header that it names, or any."""
    name = function.findtext("name")
    named = {ref.text.rstrip("()") for ref in function.iter("ref") if ref.text}
    others = [n for n in neighbours if n != name and n in named] or [n for n in neighbours if n != name]
    return pages([n for n in structs if n in words(function.findtext("argsstring"))] + others[:8])


LEFT = ".ad l\n.nh\n"  # names are long: whole, and without wide gaps beside them


def page(function, header, neighbours, structs, version):
    brief, detail = function.find("briefdescription"), function.find("detaileddescription")
    name = function.findtext("name")
    first = " ".join(inline(p) for p in brief.findall("para"))
    sections = [("NAME", line(f"{name} \\- {first_sentence(first)}")), ("SYNOPSIS", synopsis(function, header)),
                ("DESCRIPTION", (line(first) + paragraphs(detail))), ("PARAMETERS", parameters(detail)),
                ("RETURN VALUE", returns(detail)), ("SEE ALSO", line(see_also(function, neighbours, structs)))]
    return assembled(name, header, sections, version)


def assembled(name, header, sections, version):
    body = "".join(f".SH {title}\n{text}" for title, text in sections if text.strip())
    return f".TH {name.upper()} 3 \"\" \"interloop {version}\" \"interloop {header}\"\n{LEFT}" + body


def declaration(field):
    kind, name = "".join(field.find("type").itertext()).strip(), field.findtext("name")
    return kind + ("" if kind.endswith("*") else " ") + name + (field.findtext("argsstring") or "")


def struct_page(struct, header, functions, version):
    """What its comment says, and that of each field; whatever is reserved is left out."""
    name = struct.findtext("compoundname")
    fields = [m for m in struct.iter("memberdef") if m.findtext("name") != "reserved"]
    text = "".join(paragraphs(struct.find(part)) for part in ("briefdescription", "detaileddescription"))
    text = text.removeprefix(".PP\n")
    body = "".join(line(f"    {declaration(m)};".replace("-", r"\-")) for m in fields)
    body = body or "    /* private */\n"
    told = "".join(f".TP\n{BOLD}{escaped(declaration(m))}{ROMAN}\n" +
                   paragraphs(m.find("detaileddescription")).removeprefix(".PP\n") for m in fields)
    users = [f.findtext("name") for f in functions if name in words(f.findtext("argsstring"))]
    sections = [("NAME", line(f"{name} \\- {first_sentence(text.splitlines()[0])}")),
                ("SYNOPSIS", f".nf\n#include <interloop/{header}>\n.PP\nstruct {name} {{\n{body}}};\n.fi\n"),
                ("DESCRIPTION", text), ("FIELDS", told), ("SEE ALSO", line(pages(users[:8])) if users else "")]
    return assembled(name, header, sections, version)


def overview(headers, version):
    rows = "".join(f".TP\n{BOLD}interloop/{name}{ROMAN}\n{line(first)}{line(calls)}" for name, first, calls in headers)
    return (f".TH INTERLOOP 7 \"\" \"interloop {version}\" \"interloop\"\n{LEFT}.SH NAME\n"
            "interloop \\- straight\\-line C handlers on libuv, libev or libevent\n.SH SYNOPSIS\n.nf\n"
            "#include <interloop.h>\n.PP\ncc app.c $(pkg\\-config \\-\\-cflags \\-\\-libs interloop)\n.fi\n"
            f".SH HEADERS\nEach function and each struct has a page of section 3.\n{rows}")


def headers_of(xml):
    for file in sorted(xml.glob("*_8h.xml")):
        compound = ElementTree.parse(file).getroot().find("compounddef")
        inner = [ElementTree.parse(xml / f"{c.get('refid')}.xml").getroot().find("compounddef")
                 for c in compound.findall("innerclass")]
        yield compound, [m for m in compound.iter("memberdef") if m.get("kind") == "function"], inner


def main():
    xml, output, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    for section in ("man3", "man7"):
        (output / section).mkdir(parents=True, exist_ok=True)
    headers, listed = list(headers_of(xml)), []
    all_functions = [f for _, functions, _ in headers for f in functions]
    all_structs = [s.findtext("compoundname") for _, _, structs in headers for s in structs]
    for compound, functions, structs in headers:
        header, names = compound.findtext("compoundname"), [f.findtext("name") for f in functions]
        first = " ".join(inline(p) for p in compound.find("briefdescription").findall("para"))
        listed.append((header, first, pages(names + [s.findtext("compoundname") for s in structs])))
        for function in functions:
            text = page(function, header, names, all_structs, version)
            (output / "man3" / f"{function.findtext('name')}.3").write_text(text)
        for struct in structs:
            text = struct_page(struct, header, all_functions, version)
            (output / "man3" / f"{struct.findtext('compoundname')}.3").write_text(text)
    (output / "man7" / "interloop.7").write_text(overview(listed, version))


main()
