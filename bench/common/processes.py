"""Running a program and reading the JSON lines that it prints."""

import json
import subprocess
from pathlib import Path

TIMEOUT_S = 600


class ProgramError(RuntimeError):
    pass


def run(command, environment=None, timeout_s=TIMEOUT_S):
    """Standard output of a program. A failure shows the end of what it said."""
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=timeout_s, env=environment)
    except FileNotFoundError:
        raise ProgramError(f"[run] {command[0]} is not here") from None
    except subprocess.TimeoutExpired:
        raise ProgramError(f"[run] {Path(command[0]).name} took longer than {timeout_s} s") from None
    if done.returncode != 0:
        raise ProgramError(f"[run] {Path(command[0]).name} ended with code {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def json_lines(text):
    """Every line of `text` that is a JSON object."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


def only_object(text, what):
    found = json_lines(text)
    if len(found) != 1:
        raise ProgramError(f"[{what}] expected one line of JSON, found {len(found)}: {text.strip()[-200:]}")
    return found[0]


def version_of(root):
    """The commit of a checkout, with -dirty where files differ from it."""
    done = subprocess.run(["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
