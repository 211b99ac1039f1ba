#!/usr/bin/env bash
# The peers of scripts/bench.sh bandits: a virtual environment with the Python packages `vowpalwabbit` and `numpy` in build/peers/bandits. Once;
# needs the network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

packages=(vowpalwabbit==9.11.2 numpy==2.4.6)
folder="$root/build/peers/bandits"
[ "$(cat "$folder/ready" 2>/dev/null)" = "${packages[*]}" ] && exit 0
note "Installing the Python packages vowpalwabbit and numpy below build/peers"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps "${packages[@]}"
"$folder/bin/python" -c 'import vowpalwabbit, numpy'
echo "${packages[*]}" > "$folder/ready"
