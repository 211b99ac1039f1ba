"""What every benchmark driver does: one JSON object a line, and how a run ends."""

import json
import sys

from processes import ProgramError


def emit(record, output):
    """The record as a line on stdout, and at the end of the file `output` if there is one."""
    line = json.dumps(record)
    print(line, flush=True)
    if output:
        with open(output, "a") as file:
            file.write(line + "\n")


def exit_code(name, work):
    """The exit code of work(). What it could not do goes to stderr and gives 1, an interrupt 130."""
    try:
        return work()
    except (ProgramError, ValueError, OSError) as error:
        print(f"bench {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
