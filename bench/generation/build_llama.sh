#!/usr/bin/env bash
# Builds llama.cpp, which the generation benchmark compares with, below build/peers/llama.cpp. Never linked into Attune.
#
# The source is the pinned source distribution of llama-cpp-python on PyPI, which carries llama.cpp. Does nothing if that version is built
# already. Leaves: build/peers/llama.cpp/bin -> the programs, VERSION (one line), build.log.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

version="${ATTUNE_LLAMA_PYTHON_VERSION:-0.3.36}"
folder="$root/build/peers/llama.cpp"
targets=(llama-bench llama-batched-bench llama-server llama-completion llama-perplexity llama-quantize)
jobs="${ATTUNE_JOBS:-$(nproc)}"

usage() {
  cat <<TEXT
Usage: bench/generation/build_llama.sh [--force]

  Downloads llama-cpp-python $version (77 MB), builds llama.cpp with -march=native (10 to 40 minutes on two cores).
  --force   build again
TEXT
}

force=0
while [ $# -gt 0 ]; do
  case "$1" in
    --force) force=1 ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument $1" ;;
  esac
  shift
done

# complete: whether the wanted version is there with all its programs.
complete() {
  [ "$(sed -n 's/^llama-cpp-python \([^ ]*\).*/\1/p' "$folder/VERSION" 2>/dev/null)" = "$version" ] || return 1
  for target in "${targets[@]}"; do [ -x "$folder/bin/$target" ] || return 1; done
}

if [ "$force" -eq 0 ] && complete; then
  note "llama.cpp is built already: $(cat "$folder/VERSION")"
  exit 0
fi

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if [ "$force" -eq 0 ] && complete; then exit 0; fi
log="$folder/build.log"
: >"$log"
rm -f "$folder/VERSION"
archive="$folder/llama_cpp_python-$version.tar.gz"
source_folder="$folder/llama_cpp_python-$version/vendor/llama.cpp"

find_python() {
  local candidate
  for candidate in "$root/.venv/bin/python" python3; do
    if "$candidate" -m pip --version >/dev/null 2>&1; then printf '%s' "$candidate"; return 0; fi
  done
  return 1
}

download() {
  if [ -s "$archive" ]; then step_note="already there"; return 0; fi
  local python
  python="$(find_python)" || { echo "no python with pip: scripts/bootstrap.sh makes .venv"; return 1; }
  "$python" -m pip download --no-deps --no-binary :all: "llama-cpp-python==$version" -d "$folder/download" || return 1
  mv "$folder/download/llama_cpp_python-$version.tar.gz" "$archive"
}

unpack() {
  if [ -f "$source_folder/CMakeLists.txt" ]; then step_note="already there"; return 0; fi
  rm -rf "$folder/unpack"
  mkdir "$folder/unpack" && tar -xzf "$archive" -C "$folder/unpack" || return 1
  rm -rf "$folder/llama_cpp_python-$version"
  mv "$folder/unpack/llama_cpp_python-$version" "$folder/" && rmdir "$folder/unpack"
}

# The project's own defaults but for: this processor's instructions, no network features, no page to download, one self-contained program each.
configure() {
  cmake -S "$source_folder" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_NUMBER=0 -DLLAMA_BUILD_COMMIT="llama-cpp-python-$version" || return 1
}

build() {
  nice -n 10 cmake --build "$folder/build" --parallel "$jobs" --target "${targets[@]}" || return 1
  ln -sfn build/bin "$folder/bin"
}

name_version() {
  local ggml compiler
  ggml="$(sed -n 's/^set(GGML_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\).*/\2/p' "$source_folder/ggml/CMakeLists.txt" | paste -sd.)"
  compiler="$(c++ -dumpfullversion)"
  printf 'llama-cpp-python %s (ggml %s, c++ %s, march=native)\n' "$version" "$ggml" "$compiler" >"$folder/VERSION"
}

step_count=5
step_hint="Is the network there? The archive may also be put at $archive by hand."
step "Download llama-cpp-python $version" download || exit 1
step_hint="The whole log: $log"
step "Unpack" unpack || exit 1
step "Configure llama.cpp" configure || exit 1
step "Build ${#targets[@]} programs (this takes long)" build || exit 1
step "Write the version" name_version || exit 1
note "$(cat "$folder/VERSION"): $folder/bin"
