// Pictures of the words that a recommender learned: spectra of items, senses of a word side by side, a user's profile, and what saying "more"
// or "less" again and again does to a list.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "eval/report/page.h"
#include "people/critique_profile.h"
#include "people/recommender.h"
#include "people/soft_attributes.h"

namespace attune::eval {

struct AttributesReportOptions {
  std::vector<std::string> items;  ///< keys; empty = the most rated ones
  std::string user;  ///< key; empty = the user with the most ratings
  std::string attribute;  ///< whose senses and trajectories are drawn; empty = the one with most senses, then the most used
};

/// Adds everything; SVG files go into `pictures`. Throws kNotFound naming an unknown item, user or word (and as draw()).
void add_attributes(ReportPage& page, std::shared_ptr<const people::Recommender> recommender,
                    std::shared_ptr<const people::LearnedAttributes> attributes, const AttributesReportOptions& options,
                    const Path& pictures);

}  // namespace attune::eval
