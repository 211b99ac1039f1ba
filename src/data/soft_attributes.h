// SoftAttributes: relative judgements of soft attributes of films (Balog, Radlinski, Karatzoglou, "On Interpretation and Measurement of
// Soft Attributes for Recommendation", SIGIR 2021; the data is CC BY 4.0).
//
// One CSV with the columns rater_id, reference_title, soft_attribute, less_than, about_as, more_than. A row is one sheet: a rater puts up to
// ten films that are less, about as and more ATTRIBUTE than a reference film. The three lists are titles separated by commas, or, where a
// title holds a comma, a JSON array of strings; both spellings are read. Pairs of a sheet (docs/methods/soft_attributes.md): less < reference, reference < more,
// less < same and same < more with strength 1, less < more with strength 2, reference = same and same = same with strength 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "data/dataset.h"
#include "data/title_join.h"

namespace attune::data {

/// One row of the file.
struct SoftSheet {
  std::string rater;  ///< key, "1" to "100"
  std::string attribute;  ///< lower case
  std::string reference;  ///< title with year
  std::vector<std::string> less;
  std::vector<std::string> about;
  std::vector<std::string> more;
};

struct SoftSheets {
  std::vector<SoftSheet> sheets;  ///< in file order
  ReadReport report;
};

/// Bad rows (fields missing, empty key, list that is no list, title empty or too long, a title twice in a row) are left out, counted and
/// listed; more than `max_bad_share` of them is kCorruptData, and so is a missing column. Throws kNotFound, kIo.
SoftSheets read_soft_attributes(const Path& file, double max_bad_share = 0.01);

/// A list field in either spelling; blanks around titles are dropped, empty text is an empty list. Throws kCorruptData.
std::vector<std::string> parse_title_list(std::string_view text);

/// "better has more of the attribute" by one rater. Strength 1 or 2; 0 = judged equal (then better and worse are just two items).
struct SoftPair {
  ItemIndex better;
  ItemIndex worse;
  int32_t strength = 1;
};

struct SoftRater {
  UserIndex rater;  ///< row in SoftAttributes::raters
  std::vector<SoftPair> pairs;
};

struct SoftAttribute {
  std::string name;
  std::vector<SoftRater> raters;  ///< rising rater rows, none without pairs
};

struct SoftAttributes {
  UserIds raters;  ///< raters are not users of the rating data
  std::vector<SoftAttribute> attributes;  ///< sorted by name
  JoinReport report;  ///< of the distinct titles
  int64_t num_pairs[3] = {0, 0, 0};  ///< by strength
  int64_t num_dropped_pairs = 0;  ///< pairs with a title that was not joined, or whose titles are one item
  int64_t num_skipped_sheets = 0;  ///< sheets whose reference film was not joined
};

/// Pairs over the items of `catalogue`. `year_slack` as TitleIndex::find. A sheet whose reference is unknown still gives the pairs among its
/// other films. O(pairs).
SoftAttributes join_soft_attributes(const SoftSheets& sheets, const Dataset& catalogue, int year_slack = 0);

}  // namespace attune::data
