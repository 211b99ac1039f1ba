#!/usr/bin/env python3
"""Finds references that lead nowhere: relative links in Markdown, and docs/... and scripts/... named in code and scripts.

Usage: check_docs.py [ROOT]. Prints one line each; exit code 1 if there is any.
"""

import re
import subprocess
import sys
from pathlib import Path


def tracked(root):
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True)
    return [Path(line) for line in listing.stdout.splitlines()]


def markdown_targets(text):
    """(line, target) of links and images outside code blocks."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        if not inside:
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                yield number, target


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    missing = []
    for path in tracked(root):
        full = root / path
        if not full.is_file() or path.parts[0] in ("data", "web") and path.suffix != ".md":
            continue
        if path.suffix == ".md":
            for line, target in markdown_targets(full.read_text()):
                if not re.match(r"[a-z]+:|#", target) and not (full.parent / target.split("#")[0]).exists():
                    missing.append((path, line, target))
        elif path.suffix in (".h", ".cpp", ".cmake", ".py", ".sh", ".txt", ".mjs", ".ts") or path.parts[0] == ".ci":
            for line, text in enumerate(full.read_text(errors="replace").split("\n"), 1):
                for target in re.findall(r"\b(?:docs|scripts)/[\w./-]*\w\.(?:md|py|sh)\b", text):
                    if not (root / target).exists():
                        missing.append((path, line, target))
    for path, line, target in missing:
        print(f"{path}:{line}: {target} does not exist")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
