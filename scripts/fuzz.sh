#!/usr/bin/env bash
# Builds the fuzz targets with clang 19 and runs each for a while on its seeds. A crash is kept in fuzz/crashes/ and ends with code 1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() { echo "Usage: scripts/fuzz.sh [--seconds N] [TARGET...]   (default 10 seconds, every target of fuzz/)"; }

duration=10
targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) [ $# -ge 2 ] || fail "--seconds needs a number"; duration="$2"; shift ;;
    -h|--help) usage; exit 0 ;;
    -*) usage >&2; fail "unknown argument $1" ;;
    *) targets+=("$1") ;;
  esac
  shift
done

cd "$root"
exec </dev/null
command -v clang++-19 >/dev/null || fail "clang++-19 is not here: scripts/bootstrap.sh --dev installs it"
cmake --preset fuzz >/dev/null
if [ "${#targets[@]}" -eq 0 ]; then
  mapfile -t targets < <(cmake --build build/fuzz --target help | sed -n 's/^\(fuzz_[a-z0-9_]*\): phony$/\1/p' | sort -u)
fi
[ "${#targets[@]}" -gt 0 ] || fail "no fuzz target found in build/fuzz"
cmake --build build/fuzz --parallel "$(nproc)" --target "${targets[@]}"

mkdir -p fuzz/crashes
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
symbolizer="$(command -v llvm-symbolizer-19 || true)"
for target in "${targets[@]}"; do
  seeds="fuzz/corpus/$target" dictionary="fuzz/dictionaries/$target.dict"
  [ -d "$seeds" ] || seeds=""
  [ -f "$dictionary" ] || dictionary=""
  mkdir -p "$work/$target"
  begin="$(seconds)"
  if ASAN_SYMBOLIZER_PATH="$symbolizer" "build/fuzz/fuzz/$target" -max_total_time="$duration" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="fuzz/crashes/$target-" ${dictionary:+"-dict=$dictionary"} "$work/$target" ${seeds:+"$seeds"} >"$work/log" 2>&1; then
    passed=$((passed + 1))
    printf '%-24s ok, %s runs in %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")" "$(elapsed "$begin")"
  else
    failed=$((failed + 1))
    printf '%-24s FAILED after %s\n' "$target" "$(elapsed "$begin")"
    tail -n 60 "$work/log"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
