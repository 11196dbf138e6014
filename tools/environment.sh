#!/usr/bin/env bash
# Makes .venv in the project's root, or leaves it as it is when it is up to date. demo.sh and test.sh share it.
set -euo pipefail

usage() {
    cat <<'USAGE'
Usage: tools/environment.sh [--dev]

Makes the Python environment .venv in the project's root from requirements.txt and installs the project into it.
Does nothing when the pins have not changed since.

  --dev     also what the tests and the code checks need (requirements-dev.txt)
  --help    this text

PYTHON names the interpreter to make it with (default: python3).
USAGE
}

fail() {
    printf 'environment: %s\n' "$1" >&2
    exit 1
}

kind=runtime
for argument in "$@"; do
    case "$argument" in
        --dev) kind=dev ;;
        --help | -h) usage && exit 0 ;;
        *) usage >&2 && fail "I do not know the option '$argument'." ;;
    esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-python3}"

make_environment() {
    command -v "$python" >/dev/null \
        || fail "$python is missing; install Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv)."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail "$("$python" --version 2>&1) is too old; install Python 3.11 or newer, or name one: PYTHON=python3.12 $0"
    "$python" -c 'import ensurepip, venv' 2>/dev/null \
        || fail "$python cannot make environments; install its venv module (Debian: apt-get install python3-venv)."
    echo "Making the Python environment .venv (once; it takes some minutes)"
    "$python" -m venv --clear .venv
}

# the pins and the interpreter that an environment was made for
describe() {
    sha256sum requirements.txt pyproject.toml
    if [ "$1" = dev ]; then sha256sum requirements-dev.txt requirements-train.txt; fi
    .venv/bin/python --version
    pwd
}

is_current() {
    [ -f ".venv/installed-$1" ] && [ "$(describe "$1")" = "$(cat ".venv/installed-$1")" ]
}

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then make_environment; fi

# what the tests need includes all that a run needs
if is_current dev || is_current "$kind"; then exit 0; fi

requirements="requirements.txt"
if [ "$kind" = dev ]; then requirements="requirements-dev.txt"; fi
echo "Installing $requirements into .venv"
rm -f .venv/installed-*
.venv/bin/python -m pip install --quiet --quiet --requirement "$requirements" \
    || fail "the packages of $requirements could not be installed; check the network and pip's settings, then run this again."
.venv/bin/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable . \
    || fail "the project could not be installed into .venv; see pip's message above."
describe "$kind" >".venv/installed-$kind"
