#!/usr/bin/env bash
# Builds the release preset and runs the tests. Ends with ctest's summary.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/test.sh [--quick] [CTEST OPTIONS]

  --quick   only the unit tests
  Other options go to ctest, such as: -R '^lm\.' (by name), -L parity (by label), --rerun-failed.
  What is not here is skipped by its tests: the default model, the ratings, a browser, the openai package.
TEXT
}

quick=()
options=()
for argument in "$@"; do
  case "$argument" in
    --quick) quick=(-L '^unit$') ;;
    -h|--help) usage; exit 0 ;;
    *) options+=("$argument") ;;
  esac
done

cd "$root"
exec </dev/null
heading "Prepare the machine"
"$root/scripts/bootstrap.sh" --dev --best-effort

heading "Build (release)"
begin="$(seconds)"
cmake --preset release
cmake --build build/release --parallel "$(nproc)"
note "Built in $(elapsed "$begin")."

heading "Layers"
python3 scripts/check_layers.py --self-test
python3 scripts/check_layers.py
python3 scripts/check_layers.py --objects build/release

heading "Tests"
ctest --test-dir build/release --output-on-failure --parallel "$(nproc)" --label-exclude '^claim$' --no-tests=error "${quick[@]}" "${options[@]}"
