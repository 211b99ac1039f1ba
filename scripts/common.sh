# Shared by the scripts beside it: where the project is, headings, steps with elapsed time. Sourced, not run.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
model_file="$root/models/gemma-3-270m-q4_k_m.gguf"
data_folder="$root/datasets/ml-100k"

heading() { printf '\n== %s ==\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# seconds: a clock with tenths, for messages.
seconds() { date +%s.%N | cut -c1-12; }
elapsed() { awk -v a="$1" -v b="$(seconds)" 'BEGIN { printf "%.1f s", b - a }'; }

# step NAME FUNCTION: runs FUNCTION with its output in $log; prints name, result and time; shows the log's end and stops on failure.
# A function may set `step_note` to say what it found ("already there").
step_number=0
step() {
  local name="$1" begin status=0
  step_number=$((step_number + 1))
  printf '[%d/%d] %-44s ' "$step_number" "${step_count:-1}" "$name" >&2
  begin="$(seconds)"
  step_note="done"
  # Not in a subshell: the function sets step_note. `set -e` is off inside a condition, so every step returns its own status.
  if "$2" >>"$log" 2>&1; then status=0; else status=$?; fi
  if [ "$status" -eq 0 ]; then
    printf '%s (%s)\n' "$step_note" "$(elapsed "$begin")" >&2
    return 0
  fi
  printf 'FAILED (%s)\n' "$(elapsed "$begin")" >&2
  note "--- the last lines of $log:"
  tail -n 25 "$log" >&2
  [ -z "${step_hint:-}" ] || note "--- $step_hint"
  return "$status"
}
