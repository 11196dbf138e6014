#!/usr/bin/env bash
# Reports known vulnerabilities of the pinned packages. A report, no gate: it says what it found, or that the database
# could not be asked, and succeeds. Installs pip-audit into an environment of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

environment="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/deepisles-ci/audit"
report=$(mktemp)
trap 'rm -f "$report"' EXIT

if ! [ -x "$environment/bin/pip-audit" ]; then
    python3 -m venv --clear "$environment"
    "$environment/bin/python" -m pip install --quiet --quiet pip-audit==2.10.1 \
        || { echo "audit: pip-audit could not be installed; nothing was audited." && exit 0; }
fi

# every pin is there, so nothing needs to be resolved or installed
status=0
timeout 300 "$environment/bin/pip-audit" --requirement requirements.txt --no-deps --disable-pip \
    --progress-spinner off --timeout 15 >"$report" 2>&1 || status=$?

if [ "$status" -eq 0 ]; then
    echo "audit: no known vulnerability in the pins of requirements.txt."
elif grep -q '^Name ' "$report"; then
    echo "audit: known vulnerabilities in the pins of requirements.txt (this does not fail the build):"
    cat "$report"
else
    echo "audit: the vulnerability database could not be asked from here; nothing was audited. Its client's last words:"
    tail -n 3 "$report"
fi
