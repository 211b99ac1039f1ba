#!/usr/bin/env bash
# Measures Attune against a peer. One JSON object a line on stdout, everything else on stderr. docs/benchmarks.md explains the rows.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh generation [--quick] --json [--rows PREFIX] [--pairs N] [--threads N] [--profile] [--output FILE]
       scripts/bench.sh generation --markdown FILE     tables of docs/benchmarks.md from FILE, nothing is measured (people too)
       scripts/bench.sh people [--quick] --json [--rows PREFIX] [--pairs N] [--ratings N] [--threads N] [--output FILE]
       scripts/bench.sh bandits [--quick] --json [--rows PREFIX] [--pairs N] [--output FILE]
       scripts/bench.sh generation|people|bandits --help       all options

  Builds what is missing first: build/release (with -DATTUNE_BENCH=ON) and, below build/peers, llama.cpp (long) or two Python packages
  a benchmark (these need the network once).
  --no-build   take both as they are
  ATTUNE_BUILD names another build folder.
TEXT
}

[ $# -ge 1 ] || { usage >&2; exit 2; }
name="$1"
shift
case "$name" in
  generation|people|bandits) ;;
  serve|training|best-of-n) note "bench.sh: $name is not available yet"; exit 2 ;;
  -h|--help) usage; exit 0 ;;
  *) usage >&2; note "bench.sh: unknown benchmark $name"; exit 2 ;;
esac

build=1 options=()
for argument in "$@"; do
  case "$argument" in
    --no-build|--markdown|--columns|-h|--help) build=0 ;;
  esac
  [ "$argument" = --no-build ] || options+=("$argument")
done

cd "$root"
exec </dev/null
folder="${ATTUNE_BUILD:-$root/build/release}"
if [ "$build" -eq 1 ]; then
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  build_ours() {
    cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DATTUNE_BENCH=ON &&
      cmake --build "$folder" --parallel "$(nproc)" --target "${targets[@]}"
  }
  case "$name" in
    generation) targets=(attune generation_bench) ;;
    people) targets=(people_bench generation_bench) ;;
    bandits) targets=(bandits_bench) ;;
  esac
  step "Build ${targets[*]}" build_ours || exit 1
  case "$name" in
    generation) "$root/bench/generation/build_llama.sh" >&2 || fail "llama.cpp could not be built" ;;
    people|bandits) "$root/bench/$name/install_peers.sh" >&2 || fail "the Python packages could not be installed" ;;
  esac
  rm -f "$log"
fi
exec python3 "$root/bench/$name/run.py" --build "$folder" "${options[@]}"
