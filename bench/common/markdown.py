"""Tables between two marks of a page, and files of JSON lines: what the reports of all benchmarks share."""

import json
import os
import tempfile
from pathlib import Path

BEGIN, END = "<!-- {name}: begin -->", "<!-- {name}: end -->"


def figure(value):
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def replace_block(text, name, block):
    """The text with what lies between the two marks of `name` replaced."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"[markdown] expected the marks '{begin}' and '{end}' once each and in order")
    return text[:text.index(begin) + len(begin)] + "\n" + block + "\n" + text[text.index(end):]


def machine_line(records):
    rows = [record for record in records if record.get("cpu") and "row" in record]
    if not rows:
        return "Not run yet."
    r = rows[-1]
    return f"{r['cpu']}, {r['isa']}, {r['threads']} threads; Attune {r['ours_version']}; {r['peer_version']}."


def read_records(path):
    """JSON lines; a bad line is named."""
    records = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"[markdown] {path}, line {number}: expected JSON, found {error}") from None
            if not isinstance(record, dict):
                raise ValueError(f"[markdown] {path}, line {number}: expected an object")
            records.append(record)
    return records


def write_whole(path, text):
    """Replaces a file: readers see the old text or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
