#!/bin/bash
# Removes what builds, tests, the demo and `make serve` have written: `make clean`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/serve-place.sh
. scripts/serve-place.sh

if [ -d "$serve_directory" ]; then
    if ! lock_serve; then
        echo "\`make serve\` runs ($(name_of_lock_holder)), stop it first" >&2
        exit 1
    fi
    remove_serve
fi
scripts/clean-laboratories.sh
rm -rf target/demo target/e2e
exec cargo clean
