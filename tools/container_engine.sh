# shellcheck shell=bash
# What build.sh and export.sh share: the container engine, the image's name and the wording of errors. Sourced, not run.

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    exit 1
}

# the value that follows an option, which must be there: OPTION "$@"
value_of() {
    if [ "$#" -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value; see $0 --help."; fi
    printf '%s' "$2"
}

engine_works() {
    case "$1" in
        # a client without its service cannot build
        docker | podman) command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1 ;;
        buildah) command -v buildah >/dev/null ;;
        *) fail "I do not know the container engine '$1'; use docker, podman or buildah." ;;
    esac
}

# the engine that was asked for, else the first that works
choose_engine() {
    local engine
    if [ -n "${1:-}" ]; then
        engine_works "$1" || fail "$1 is not installed or its service does not answer."
        printf '%s' "$1"
        return
    fi
    for engine in docker podman buildah; do
        if engine_works "$engine"; then
            printf '%s' "$engine"
            return
        fi
    done
    fail "no container engine works here; install docker, podman or buildah."
}

project_version() {
    sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml
}

# NAME becomes NAME:VERSION; NAME:TAG stays (a colon before a slash is a registry's port)
with_tag() {
    case "${1##*/}" in
        *:*) printf '%s' "$1" ;;
        *) printf '%s:%s' "$1" "$(project_version)" ;;
    esac
}
