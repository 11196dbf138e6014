#!/usr/bin/env bash
# Bundles NiiVue, the viewer in report.html, into resources/report/niivue. Run it when its version changes; the result is
# committed, so that nothing else needs node.
set -euo pipefail

usage() {
    cat <<'USAGE'
Usage: tools/build_niivue.sh [DEST]

Installs what tools/niivue/package-lock.json pins with npm, bundles it with esbuild and writes niivue.min.js and
LICENSES.txt into DEST (default: resources/report/niivue). Needs node and npm (Debian: apt-get install nodejs npm).
USAGE
}

fail() {
    printf 'build_niivue: %s\n' "$1" >&2
    exit 1
}

case "${1:-}" in
    --help | -h) usage && exit 0 ;;
    -*) usage >&2 && fail "I do not know the option '$1'." ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
destination=$(realpath --canonicalize-missing "${1:-$root/resources/report/niivue}")
command -v npm >/dev/null || fail "npm is missing; install node and npm (Debian: apt-get install nodejs npm)."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$root"/tools/niivue/. "$scratch"
cd "$scratch"
# esbuild's binary is a package of its own: no package needs to run a script
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

mkdir -p "$destination"
# es2020: Chromium 80, Firefox 80, Safari 15 and later, all of which have WebGL2
node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --global-name=niivue --target=es2020 \
    --legal-comments=none --log-level=error --metafile=bundle.json \
    --alias:numcodecs/blosc=./no_codec.js --alias:numcodecs/lz4=./no_codec.js --alias:numcodecs/zstd=./no_codec.js \
    --outfile="$destination/niivue.min.js"

# the packages that are in the bundle, each with its licence
node list_licences.js bundle.json >"$destination/LICENSES.txt"
