#!/usr/bin/env bash
# The peer of scripts/bench.sh people: a virtual environment with the Python package `implicit` in build/peers/implicit. Once; needs the network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

folder="$root/build/peers/implicit"
[ -f "$folder/ready" ] && exit 0
note "Installing the Python package implicit below build/peers"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
  implicit==0.7.3 numpy==2.4.6 scipy==1.17.1 tqdm==4.70.1 threadpoolctl==3.8.0
"$folder/bin/python" -c 'import implicit'
touch "$folder/ready"
