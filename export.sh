#!/usr/bin/env bash
# Saves the image and the weights as the two files that are uploaded to Grand Challenge.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source tools/container_engine.sh

usage() {
    cat <<'USAGE'
Usage: ./export.sh [OPTIONS]

Writes two files for upload to Grand Challenge: the image that build.sh made, and the weights, which the platform
unpacks to /opt/ml/model. Beside the image lies the list of what is in it (an SBOM in CycloneDX). Check both before you
upload them: tools/check_submission dist/*.tar.gz

  --name NAME[:TAG]    image name (default: deepisles:VERSION)
  --weights FOLDER     weights bundle to pack as model.tar.gz (default: models/published)
  --only image|weights write one of the two
  --output FOLDER      where to write them (default: dist)
  --engine ENGINE      docker, podman or buildah: the one that built the image (default: the first that works)
  --help               this text
USAGE
}

inventory=/opt/app/sbom.cdx.json
name=deepisles engine="" weights=models/published output=dist only=""
while [ "$#" -gt 0 ]; do
    case "$1" in
        --name) name=$(value_of "$@"); shift 2 ;;
        --weights) weights=$(value_of "$@"); shift 2 ;;
        --only) only=$(value_of "$@"); shift 2 ;;
        --output) output=$(value_of "$@"); shift 2 ;;
        --engine) engine=$(value_of "$@"); shift 2 ;;
        --help | -h) usage && exit 0 ;;
        *) usage >&2 && fail "I do not know the option '$1'." ;;
    esac
done
case "$only" in "" | image | weights) ;; *) fail "--only takes image or weights, not '$only'." ;; esac

compress() {
    if command -v pigz >/dev/null; then pigz; else gzip; fi
}

# name:tag, never the bare name: that would save every tag of it, and the platform takes archives of one image only
save_image() {
    case "$engine" in
        docker) docker save "$name" ;;
        podman) podman save --format docker-archive "$name" ;;
        buildah) buildah push --quiet "$name" "docker-archive:/dev/stdout:$name" ;;
    esac
}

# the list that was made while the image was built, from a container that is never started
save_inventory() {
    local container
    case "$engine" in
        docker | podman)
            container=$("$engine" create "$name")
            "$engine" cp "$container:$inventory" "$partial" >/dev/null
            "$engine" rm "$container" >/dev/null
            ;;
        buildah)
            container=$(buildah from "$name")
            cp "$(buildah mount "$container")$inventory" "$partial"
            buildah rm "$container" >/dev/null
            ;;
    esac
    mv "$partial" "$1"
    echo "Inventory: $1"
}

export_image() {
    local archive
    archive="$output/$(basename "$name" | tr : -).tar.gz"
    save_inventory "${archive%.tar.gz}.cdx.json"
    echo "Saving $name with $engine"
    save_image | compress >"$partial"
    mv "$partial" "$archive"
    echo "Image: $archive ($(du -h "$archive" | cut -f1))"
}

# contents without a top folder; links become the files they point to, since the platform refuses links out of the tree
export_weights() {
    [ -f "$weights/bundle.json" ] || fail "$weights holds no bundle.json; name a weights bundle with --weights."
    [ -z "$(find -L "$weights" ! -type f ! -type d -print -quit)" ] \
        || fail "$weights holds something other than files and folders, which cannot be packed for upload."
    tar --create --dereference --hard-dereference --sort=name --owner=0 --group=0 --numeric-owner \
        --directory "$weights" . | compress >"$partial"
    mv "$partial" "$output/model.tar.gz"
    echo "Weights: $output/model.tar.gz ($(du -h "$output/model.tar.gz" | cut -f1))"
}

mkdir -p "$output"
partial=$(mktemp "$output/.export.XXXXXX")
trap 'rm -f "$partial"' EXIT

if [ "$only" != weights ]; then
    name=$(with_tag "$name")
    engine=$(choose_engine "$engine")
    export_image
fi
if [ "$only" != image ]; then export_weights; fi
