#!/usr/bin/env bash
# Writes the pages that are made from the code: docs/cli.md. --check only says whether they are current. Needs build/release/attune.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

attune="${ATTUNE_BINARY:-$root/build/release/attune}"
[ -x "$attune" ] || fail "$attune is not here: cmake --preset release && cmake --build build/release --target attune"
page="$(mktemp)"
trap 'rm -f "$page"' EXIT
# Defaults below the home folder are shown relative to it.
ATTUNE_HOME=. "$attune" docs | sed -e 's#`\./#`#g' -e '$a\' >"$page"
if [ "${1:-}" = --check ]; then
  cmp -s "$page" "$root/docs/cli.md" || fail "docs/cli.md is not what this build says: run scripts/update_docs.sh"
else
  install -m 644 "$page" "$root/docs/cli.md"
  note "docs/cli.md written"
fi
