#!/usr/bin/env bash
# From a fresh machine to a page with recommendations: prepares the machine, builds, learns the default users, serves.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/demo.sh [--port N] [--check] [--generated] [-- OPTIONS OF attune serve]

  --port N      the port on 127.0.0.1 (default 8080)
  --check       does everything, starts the server on a free port, calls every route once, prints what came back, stops; exit code 0 or 1
  --generated   made-up ratings in the place of MovieLens 100K, which is for non-commercial use only
TEXT
}

port=8080 check=0
ratings="$data_folder" recommender="$root/models/recommender" bootstrap=()
while [ $# -gt 0 ]; do
  case "$1" in
    --port) [ $# -ge 2 ] || fail "--port needs a number"; port="$2"; shift ;;
    --port=*) port="${1#*=}" ;;
    --check) check=1 ;;
    --generated) ratings=generated recommender="$root/models/recommender-generated" bootstrap=(--no-data) ;;
    -h|--help) usage; exit 0 ;;
    --) shift; break ;;
    *) usage >&2; fail "unknown argument $1" ;;
  esac
  shift
done
case "$port" in ''|*[!0-9]*) fail "--port is '$port', expected a number" ;; esac

started="$(seconds)"
cd "$root"
heading "Prepare the machine"
"$root/scripts/bootstrap.sh" "${bootstrap[@]}"

heading "Build"
begin="$(seconds)"
[ -f build/release/build.ninja ] || cmake --preset release
cmake --build build/release --target attune
note "Built in $(elapsed "$begin")."
attune="$root/build/release/attune"

heading "Learn the users"
# Both folders belong to this checkout, so that trying it leaves nothing elsewhere.
export ATTUNE_HOME="$root"
# A folder that this build cannot read (an interrupted or older one) is learned again.
if [ -f "$recommender/model.json" ] && "$attune" recommend --user 196 -k 1 --recommender "$recommender" >/dev/null 2>&1; then
  note "Already learned: $recommender (remove the folder to learn again)."
  # An earlier version may have learned it without the words that lists are criticised with.
  [ -f "$recommender/attributes.json" ] || "$attune" learn attributes "$ratings" --recommender "$recommender"
  # Likewise without the moods that users move between.
  [ -f "$recommender/bandit.json" ] || "$attune" learn bandit --recommender "$recommender"
else
  "$attune" learn ratings "$ratings" --out "$recommender"
fi

if [ "$check" -eq 1 ]; then
  heading "Check every route"
  work="$(mktemp -d)"
  server=""
  # The server is ended by its own process id, whatever happens.
  stop() { if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then kill "$server"; wait "$server" || true; fi; rm -rf "$work"; }
  trap stop EXIT
  trap 'exit 1' INT TERM
  free="$("$root/.venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  "$attune" serve -m "$model_file" --recommender "$recommender" --store "$work/check.db" --port "$free" "$@" </dev/null >"$work/server.log" 2>&1 &
  server=$!
  status=0
  "$root/.venv/bin/python" "$root/scripts/check_routes.py" "http://127.0.0.1:$free" --server-pid "$server" || status=1
  kill "$server" 2>/dev/null || true
  wait "$server" || { note "the server did not end cleanly (exit code $?)"; status=1; }
  server=""
  if [ "$status" -ne 0 ]; then
    note "--- the server's log:"
    tail -n 40 "$work/server.log" >&2
  fi
  note "Everything in $(elapsed "$started")."
  exit "$status"
fi

heading "Serve"
note "Ready after $(elapsed "$started"). The page: http://127.0.0.1:$port/ (stop with Ctrl-C)"
exec "$attune" serve -m "$model_file" --recommender "$recommender" --port "$port" "$@"
