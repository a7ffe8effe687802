#!/bin/bash
# Prints what the verdicts of a page depend on, as one hash: `core` for docs/mutants.md, `bug-bank` for
# docs/bug-bank.md, `fences` for docs/fences.md. Comments, white space and tests do not count, so that nobody waits
# for a campaign because of them.
set -euo pipefail
cd "$(dirname "$0")/.."

# A file without its comment lines, its tests at the end, and its white space.
code_of() {
    awk '
        { line = $0; sub(/^[ \t]+/, "", line) }
        held != "" { if (line == "mod tests {") exit; printf "%s", held; held = "" }
        line ~ /^\/\// { next }
        line == "#[cfg(test)]" { held = line; next }
        { gsub(/[ \t]/, "", line); printf "%s", line }
    ' "$1"
}

# Each source below a folder, by name and content. Tests have files and folders of their own, or end a file.
sources_of() {
    find "$1" -name '*.rs' ! -name tests.rs ! -path '*/tests/*' ! -path '*/soak/*' | LC_ALL=C sort |
        while IFS= read -r file; do
            echo "$file $(code_of "$file" | sha256sum)"
        done
}

case ${1:-} in
    core) sources_of vrrp/src ;;
    bug-bank)
        sources_of vrrp/src
        sources_of simulator/src
        find simulator/bug-bank -name '*.patch' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        ;;
    fences)
        for folder in vrrp/src api-types/src node-agent/src server/src tests/harness tests/fences; do
            sources_of "$folder"
        done
        find .sqlx migrations -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        sha256sum deploy/* rust-toolchain.toml Cargo.lock Cargo.toml
        sha256sum {vrrp,api-types,node-agent,server,tests}/Cargo.toml
        ;;
    *) echo "usage: $0 core|bug-bank|fences" >&2 && exit 2 ;;
esac | sha256sum | cut -c 1-16
