#!/usr/bin/env bash
# What to run before a commit: format, layers, clang-tidy on changed files, build, quick tests. --full adds what CI runs beside.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/check.sh [--full] [--base REF] [--fix]

  --base REF   what counts as changed: everything since REF, and the working tree (default: origin/main if there is one, else HEAD)
  --fix        let clang-format rewrite the changed lines
  --full       all tests, sanitizers and fuzz targets as well (.ci/run), 10,000 random schedules of the engine, 32,000
               positions of thin models, and the engine's tests under ThreadSanitizer
TEXT
}

full=0 base="" fix=0
while [ $# -gt 0 ]; do
  case "$1" in
    --full) full=1 ;;
    --fix) fix=1 ;;
    --base) [ $# -ge 2 ] || fail "--base needs a commit"; base="$2"; shift ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument $1" ;;
  esac
  shift
done

cd "$root"
exec </dev/null
if [ -z "$base" ]; then base="$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)"; fi
mapfile -t changed < <({ git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } | sort -u |
  grep -E '^(src|tests|fuzz|bench|examples)/.*\.(h|cpp)$' || true)
failures=()

heading "Format: ${#changed[@]} changed files"
if [ "${#changed[@]}" -gt 0 ]; then
  command -v git-clang-format-19 >/dev/null || fail "clang-format-19 is not here: scripts/bootstrap.sh --dev installs it"
  if [ "$fix" -eq 1 ]; then
    git-clang-format-19 --binary clang-format-19 --force "$base" -- "${changed[@]}" || true
  else
    difference="$(git-clang-format-19 --binary clang-format-19 --diff "$base" -- "${changed[@]}" || true)"
    if printf '%s' "$difference" | grep -q '^@@'; then
      printf '%s\n' "$difference" | head -n 80
      failures+=("format (scripts/check.sh --fix)")
    fi
  fi
fi

heading "Layers and references"
python3 scripts/check_layers.py || failures+=("layers")
python3 scripts/check_docs.py || failures+=("references in docs and code")

heading "Build (release)"
cmake --preset release >/dev/null
cmake --build build/release --parallel "$(nproc)" || failures+=("build")
scripts/update_docs.sh --check || failures+=("docs/cli.md")
python3 scripts/check_layers.py --objects build/release || failures+=("objects of an instruction set")

heading "clang-tidy on changed sources"
mapfile -t sources < <(printf '%s\n' "${changed[@]}" | grep -E '^src/.*\.cpp$' || true)
if [ "${#sources[@]}" -gt 0 ]; then
  command -v clang-tidy-19 >/dev/null || fail "clang-tidy-19 is not here: scripts/bootstrap.sh --dev installs it"
  printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p build/release --warnings-as-errors='bugprone-*,clang-analyzer-*' \
    2>/dev/null || failures+=("clang-tidy")
fi

heading "Quick tests"
ctest --test-dir build/release --output-on-failure --parallel "$(nproc)" -L '^unit$' --no-tests=error || failures+=("tests")

if [ "$full" -eq 1 ]; then
  bash .ci/run || failures+=(".ci/run")

  # Not through ctest, whose limits of time are for the usual run.
  heading "10,000 schedules of the engine"
  ATTUNE_SCHEDULES=10000 build/release/tests/lm/test_lm --gtest_filter='Schedules.*' || failures+=("schedules")

  heading "Memory of 32,000 positions"
  ATTUNE_LONG_CONTEXT=32000 build/release/tests/lm/test_lm --gtest_filter='*/LongContext.*' || failures+=("long contexts")

  heading "Tests of lm/ under ThreadSanitizer"
  cmake --preset tsan >/dev/null
  cmake --build build/tsan --parallel "$(nproc)" --target test_lm || failures+=("ThreadSanitizer: build")
  TSAN_OPTIONS=halt_on_error=1 build/tsan/tests/lm/test_lm --gtest_filter='-Golden.*:Head.ReleasedModel*' || failures+=("ThreadSanitizer")
fi

heading "Result"
if [ "${#failures[@]}" -gt 0 ]; then
  printf 'failed: %s\n' "${failures[@]}"
  exit 1
fi
echo "everything holds"
