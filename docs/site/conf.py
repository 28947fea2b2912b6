"""Sphinx reads docs/*.md by myst and the headers by Doxygen and breathe; see docs/build.sh."""

import os
import pathlib
import re

import furo
from docutils import nodes

project = "interloop"
author = "the interloop authors"
version = release = os.environ["INTERLOOP_VERSION"]
extensions = ["myst_parser", "breathe"]
exclude_patterns = ["build"]

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

breathe_projects = {"interloop": os.environ["INTERLOOP_XML"]}
breathe_default_project = "interloop"
breathe_domain_by_extension = {"h": "c"}
breathe_show_include = False
primary_domain = "c"
highlight_language = "c"
c_id_attributes = ["IL_API", "IL_MUST_CHECK"]

html_theme = "furo"  # light and dark, and readable on a phone

# Debian's furo has its dark colours only for whoever asks for them by the button: as options they are also those of
# a system that is dark.
css = (pathlib.Path(furo.__file__).parent / "theme/furo/static/styles/furo.css").read_text(encoding="utf-8")
dark = re.search(r'body\[data-theme="?dark"?\]\s*\{([^}]*--color-background-primary[^}]*)\}', css)
html_theme_options = {"dark_css_variables": dict(re.findall(r"--([\w-]+):\s*([^;}]+?)\s*(?:;|$)", dark[1]))} if dark else {}
html_title = "interloop " + version
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False

NAME = re.compile(r"\b(?:il|IL)_\w+")


def reference_to(app, fromdoc, name, places):
    docname, anchor = places[name]
    uri = app.builder.get_relative_uri(fromdoc, docname) + "#" + anchor
    return nodes.reference("", name, internal=True, refuri=uri)


def linked(app, fromdoc, text, places):
    """The nodes for text, in which each public name leads to its reference."""
    end = 0
    for match in NAME.finditer(text):
        if match.group() in places:
            if match.start() > end:
                yield nodes.Text(text[end:match.start()])
            yield reference_to(app, fromdoc, match.group(), places)
            end = match.end()
    if end < len(text):
        yield nodes.Text(text[end:])


def link_names(app, doctree, docname):
    """Prose and `code` in the pages name functions; no page has to say where they are described."""
    places = {name: (doc, anchor) for name, _, _, doc, anchor, _
              in app.env.get_domain("c").get_objects()}
    if docname.startswith("reference/"):
        places = {name: place for name, place in places.items() if place[0] != docname}
    for text in list(doctree.findall(nodes.Text)):
        parent = text.parent
        if not NAME.search(text) or has_no_links(parent):
            continue
        parent.replace(text, list(linked(app, docname, text.astext(), places)))


def has_no_links(node):
    unlinked = (nodes.reference, nodes.literal_block, nodes.title, nodes.raw)
    while node is not None:
        if isinstance(node, unlinked) or node.__class__.__name__.startswith("desc_"):
            if node.__class__.__name__ != "desc_content":
                return True
        node = node.parent
    return False


def setup(app):
    app.connect("doctree-resolved", link_names)
