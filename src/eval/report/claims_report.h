// Pictures and the table of a folder that `attune reproduce --output` wrote.
#pragma once

#include <vector>

#include "core/file.h"
#include "eval/claim.h"
#include "eval/report/page.h"

namespace attune::eval {

/// Reads results.jsonl, curves.jsonl and, if it is there, cells.jsonl back. Throws kNotFound, kCorruptData naming file and line: anything missing, of another type or not finite.
ClaimRun read_claim_run(const Path& folder);

/// Adds heading, chart of margins, curves and table; SVG files go into `pictures`. Throws as draw().
void add_claims(ReportPage& page, const ClaimRun& run, const Path& pictures);

}  // namespace attune::eval
