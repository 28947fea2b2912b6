"""reference.py INCLUDE OUTPUT: a page for each public header, and one that lists them by their first sentence."""

import pathlib
import re
import sys

include, output = map(pathlib.Path, sys.argv[1:])


def brief(header):
    """The first sentence of the header's own comment."""
    text = header.read_text()
    found = re.search(r"@brief (.*?)(?:\.\s|\n \*\n|\*/)", text, re.S)
    return re.sub(r"\s+\*?\s*", " ", found.group(1)).strip()


def page(header):
    name = header.relative_to(include).as_posix()
    title = header.stem
    (output / f"{title}.rst").write_text(
        f"{title}\n{'=' * len(title)}\n\n``#include <{name}>``\n\n.. doxygenfile:: {name}\n")
    return title


headers = sorted((include / "interloop").glob("*.h"))
rows = "".join(f"   * - :doc:`{page(h)}`\n     - {brief(h)}\n" for h in headers)
pages = "".join(f"   {h.stem}\n" for h in headers)
(output / "index.rst").write_text(
    f"Reference\n=========\n\n.. list-table::\n   :widths: 20 80\n\n{rows}\n.. toctree::\n   :hidden:\n\n{pages}")
