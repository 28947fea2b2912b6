#!/bin/sh
# docs/build.sh: the site of the documentation in build/site, and the manual pages in build/man. It installs
# the Debian packages that are missing. The site is files: build/site/index.html in any browser, with search, without a network.
#
# Doxygen reads the headers; Sphinx with myst (Markdown), breathe (Doxygen's XML) and furo (light, dark, phone) makes the pages.
# Of Debian's generators only this one has search from files and a reference that pages lead to: MkDocs fetches its index by HTTP,
# which browsers refuse for files, and Doxygen 1.9.4 has no dark form.
set -eu
cd "$(dirname "$0")/.." || exit 1

packages="doxygen python3-sphinx python3-myst-parser python3-breathe furo"
missing=
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "docs/build.sh: as root: apt-get install$missing" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  # shellcheck disable=SC2086
  apt-get -q install -y --no-install-recommends $missing
fi

version=$(sed -n 's/^#define IL_VERSION_[A-Z]* *//p' include/interloop/base.h | paste -sd .)
source=build/site-source
rm -rf "$source" build/site build/xml
mkdir -p "$source/reference"

doxygen docs/Doxyfile

# The tree as it is, for links between pages and to sources hold; a page for each header.
cp -R README.md LICENSE docs examples core include backends tests "$source"
mv "$source/docs/site/index.rst" "$source"
python3 docs/site/reference.py include "$source/reference"

INTERLOOP_VERSION=$version INTERLOOP_XML=$PWD/build/xml \
  sphinx-build -q -W --keep-going -j auto -c docs/site "$source" build/site

# Debian's furo has its script as a module beside another, which browsers do not load from files (nor as it is referred to): one script.
scripts=build/site/_static/scripts
if grep -q '^import Gumshoe' $scripts/furo.js; then
  { cat $scripts/gumshoe-patched.js; grep -v '^import Gumshoe' $scripts/furo.js; } >$scripts/both.js
  mv $scripts/both.js $scripts/furo.js
fi
echo "build/site/index.html: interloop $version"
