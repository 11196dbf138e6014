#!/usr/bin/env bash
# Makes the environment and runs the tests.
set -euo pipefail

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    cat <<'USAGE'
Usage: ./test.sh [PYTEST OPTIONS]

Makes the Python environment .venv if it is not there yet and runs the whole test suite. Arguments go to pytest:
  ./test.sh -m "not slow"          leaves out whole networks over a real case
  ./test.sh test/case -k header    some of the tests
USAGE
    exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")"
tools/environment.sh --dev
exec .venv/bin/python -m pytest "$@"
