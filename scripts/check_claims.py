#!/usr/bin/env python3
"""Runs a set of claims in full and compares each verdict with the table on the method's page.

Usage: check_claims.py ATTUNE SET            exit code 1 if a verdict differs, or a claim is new or gone
       check_claims.py ATTUNE SET --write    puts the new table into the page instead
       check_claims.py --table FILE SET      puts FILE (table.md of `attune reproduce --output`) into the page
A claim whose data is absent here is passed over.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def block(name, text):
    found = re.search(rf"<!-- begin: attune reproduce {re.escape(name)} --markdown -->\n.*?<!-- end -->\n", text, re.S)
    if not found:
        sys.exit(f"no table of {name} between its markers")
    return found.group(0)


def verdicts(table):
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) == 7 and ":" in cells[1]:
            rows[cells[1].split(":")[0]] = cells[5].strip("*")
    return rows


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    name = arguments[2] if arguments[0] == "--table" else arguments[1]
    page = ROOT / "docs" / "methods" / (name.replace("-", "_") + ".md")
    text = page.read_text()
    if arguments[0] == "--table":
        made = Path(arguments[1]).read_text()
    else:
        run = subprocess.run([arguments[0], "reproduce", name, "--markdown"], stdout=subprocess.PIPE, text=True)
        if run.returncode not in (0, 1):
            sys.exit(f"attune reproduce {name} ended with {run.returncode}")
        made = run.stdout
    table = block(name, made)
    if "--write" in arguments or arguments[0] == "--table":
        page.write_text(text.replace(block(name, text), table))
        return 0
    stated, found = verdicts(block(name, text)), verdicts(table)
    bad = 0
    for claim in sorted(stated.keys() | found.keys()):
        if found.get(claim) == "not run" and stated.get(claim) != found.get(claim):
            print(f"{claim}: not run here, the page says: {stated.get(claim)}")
        elif stated.get(claim) != found.get(claim):
            print(f"{claim}: {found.get(claim)}, the page says: {stated.get(claim)}")
            bad += 1
    print(f"{len(found)} lines, {bad} differ from {page.relative_to(ROOT)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
