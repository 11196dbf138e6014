#!/usr/bin/env bash
# From a fresh machine to a segmented case: makes the environment, then runs the main job on the project's sample case.
set -euo pipefail

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    cat <<'USAGE'
Usage: ./demo.sh [OPTIONS OF deepisles segment]

Makes the Python environment .venv if it is not there yet and segments the sample case (a generated phantom with two
lesions) in resources/sample. The mask and the report are written to out/sample.
USAGE
    exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")"
tools/environment.sh
exec .venv/bin/deepisles segment \
    --dwi resources/sample/dwi.mha --adc resources/sample/adc.mha --flair resources/sample/flair.mha \
    --output out/sample "$@"
