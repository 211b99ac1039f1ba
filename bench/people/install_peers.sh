#!/usr/bin/env bash
# The peers of scripts/bench.sh people: a virtual environment with the Python packages `implicit` and `scikit-learn` in build/peers/people. Once;
# needs the network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

packages=(implicit==0.7.3 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 narwhals==2.29.0 cloudpickle==3.1.3 tqdm==4.70.1 threadpoolctl==3.8.0)
folder="$root/build/peers/people"
[ "$(cat "$folder/ready" 2>/dev/null)" = "${packages[*]}" ] && exit 0
note "Installing the Python packages implicit and scikit-learn below build/peers"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps "${packages[@]}"
"$folder/bin/python" -c 'import implicit, sklearn.linear_model'
echo "${packages[*]}" > "$folder/ready"
