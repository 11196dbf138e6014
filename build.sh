#!/usr/bin/env bash
# Builds the container image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source tools/container_engine.sh

usage() {
    cat <<'USAGE'
Usage: ./build.sh [OPTIONS] [-- ENGINE OPTIONS]

Builds the container image with docker, or else podman or buildah.

  --name NAME[:TAG]      image name (default: deepisles:VERSION, and deepisles-invoke:VERSION with --target invoke)
  --target exec|invoke   how Grand Challenge runs it: once per case (default), or as a server that keeps its networks
  --base-image IMAGE     image with Python 3.11 or newer, and best with the PyTorch of requirements.txt, to build on
                         (default: the CUDA image that the Dockerfile names)
  --wheelhouse FOLDER    install from the wheels in FOLDER, without a network; nothing of it but what is installed stays
                         in the image (fill it with: pip wheel -r requirements.txt -w FOLDER)
  --weights FOLDER       put this weights bundle into the image, to be used where none is mounted or uploaded
                         (make it with: deepisles weights fetch FOLDER)
  --engine ENGINE        docker, podman or buildah (default: the first that works)
  --help                 this text

What follows -- goes to the engine's build command as it is.
USAGE
}

name="" target=exec engine="" base_image="" wheelhouse="" weights=""
while [ "$#" -gt 0 ]; do
    case "$1" in
        --name) name=$(value_of "$@"); shift 2 ;;
        --target) target=$(value_of "$@"); shift 2 ;;
        --base-image) base_image=$(value_of "$@"); shift 2 ;;
        --wheelhouse) wheelhouse=$(value_of "$@"); shift 2 ;;
        --weights) weights=$(value_of "$@"); shift 2 ;;
        --engine) engine=$(value_of "$@"); shift 2 ;;
        --help | -h) usage && exit 0 ;;
        --) shift; break ;;
        *) usage >&2 && fail "I do not know the option '$1'." ;;
    esac
done

case "$target" in
    exec) name=${name:-deepisles} ;;
    invoke) name=${name:-deepisles-invoke} ;;
    *) fail "--target takes exec or invoke, not '$target'." ;;
esac
if [ -n "$wheelhouse" ] && ! compgen -G "$wheelhouse/*.whl" >/dev/null; then
    fail "$wheelhouse holds no wheels; fill it with: pip wheel -r requirements.txt -w $wheelhouse"
fi
if [ -n "$weights" ] && [ ! -f "$weights/bundle.json" ]; then
    fail "$weights holds no bundle.json; make a bundle with: deepisles weights fetch $weights"
fi
name=$(with_tag "$name")
engine=$(choose_engine "$engine")
revision=$(git rev-parse --verify --quiet HEAD 2>/dev/null || echo unknown)
if [ "$revision" != unknown ] && [ -n "$(git status --porcelain)" ]; then revision+=-dirty; fi

options=(
    --platform linux/amd64 --target "$target" --tag "$name"
    --build-arg "VERSION=$(project_version)" --build-arg "REVISION=$revision"
)
if [ -n "$base_image" ]; then options+=(--build-arg "BASE_IMAGE=$base_image"); fi
if [ -n "$wheelhouse" ]; then options+=(--build-context "wheelhouse=$wheelhouse"); fi

echo "Building $name with $engine"
# older docker needs to be told to use the builder that knows RUN --mount
DOCKER_BUILDKIT=1 "$engine" build "${options[@]}" "$@" .
if [ -n "$weights" ]; then
    # a layer on top, since the folder may lie anywhere and .dockerignore keeps gigabytes out of the build above
    printf 'FROM %s\nCOPY --chown=10001:10001 . /opt/app/models/published\n' "$name" \
        | DOCKER_BUILDKIT=1 "$engine" build --platform linux/amd64 --tag "$name" --file - "$weights"
fi
echo "Built $name; save it for upload with: ./export.sh --name $name"
