#!/usr/bin/env bash
# The container stage: really builds the image with buildah on a Debian base, saves it as for upload, and runs it.
# Needs root on Debian; installs what is missing. The base, the wheels and the image (its layers) serve the next run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=bookworm
base="localhost/deepisles-ci-base:$suite"
image=localhost/deepisles:ci
invoke_image=localhost/deepisles-invoke:ci
python="$PWD/.venv/bin/python"
cache="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/deepisles-ci"

fail() {
    printf 'container stage: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '[container %4ds] %s\n' "$SECONDS" "$1"
}

install_tools() {
    local missing=()
    command -v buildah >/dev/null || missing+=(buildah)
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    # saves the image on all cores; export.sh does without it too
    command -v pigz >/dev/null || missing+=(pigz)
    if [ "${#missing[@]}" -gt 0 ]; then
        say "Installing ${missing[*]}"
        apt-get update -q -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -q -y --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# a bare Debian with Python, which stands for the CUDA image: that one cannot be had everywhere
make_base() {
    local root=$scratch/root container
    if buildah inspect --type image "$base" >/dev/null 2>&1; then return; fi
    say "Making the base image $base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" >"$scratch/debootstrap.log" \
        || { tail -n 20 "$scratch/debootstrap.log" >&2 && fail "debootstrap could not make a Debian base."; }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root" / >/dev/null
    buildah commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf "$root"
}

python_of_base() {
    local container
    container=$(buildah from "$base")
    buildah run --isolation chroot "$container" -- python3 -c "$python_version"
    buildah rm "$container" >/dev/null
}

# pip here knows where packages come from, pip in the build does not: so the wheels are made here and handed over
make_wheelhouse() {
    local here there
    here=$("$python" -c "$python_version")
    there=$(python_of_base)
    [ "$here" = "$there" ] || fail "wheels for Python $here do not fit the base's Python $there; make .venv with Python $there."
    wheelhouse="$cache/wheelhouse-$here-$(cat requirements.txt requirements-inventory.txt | sha256sum | cut -c1-16)"
    if [ -d "$wheelhouse" ]; then return; fi
    say "Making the wheels of requirements.txt"
    rm -rf "$cache"/wheelhouse-* "$cache/partial"
    "$python" -m pip wheel --quiet --quiet --requirement requirements.txt --requirement requirements-inventory.txt --wheel-dir "$cache/partial"
    mv "$cache/partial" "$wheelhouse"
}

image_id() {
    buildah inspect --type image --format '{{.FromImageID}}' "$1" 2>/dev/null || true
}

# build_image TARGET NAME
build_image() {
    local before
    before=$(image_id "$2")
    ./build.sh --engine buildah --target "$1" --name "$2" --base-image "$base" --wheelhouse "$wheelhouse" \
        -- --layers --isolation chroot --network host >"$scratch/build.log" 2>&1 \
        || { tail -n 60 "$scratch/build.log" >&2 && fail "the image could not be built; its last messages are above."; }
    # the last run's image has lost its name to this one; a run that was cut off may have left containers of it
    if [ -n "$before" ] && [ "$before" != "$(image_id "$2")" ]; then buildah rmi --force "$before" >/dev/null; fi
}

clean_up() {
    rm -rf "$scratch" "$cache/partial"
}

[ "$(id -u)" = 0 ] || fail "this stage needs root: debootstrap and buildah make whole file systems."
[ -x "$python" ] || fail ".venv is missing; run ./test.sh first."
python_version='import sys; print("%d.%d" % sys.version_info[:2])'
mkdir -p "$cache"
scratch=$(mktemp -d)
trap clean_up EXIT

install_tools
make_base
make_wheelhouse
say "Building the images"
build_image exec "$image"
build_image invoke "$invoke_image"
say "Saving the image and the weights"
./export.sh --engine buildah --name "$image" --weights models/tiny --output "$scratch/export"
say "Checking both as the platform does"
tools/check_submission "$scratch"/export/*.tar.gz
say "Running the images"
"$python" -m pytest test/container --image "$image" --invoke-image "$invoke_image" --exported "$scratch/export" --basetemp "$scratch/pytest" --durations 5
say "Done"
