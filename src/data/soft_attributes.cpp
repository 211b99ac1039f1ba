#include "data/soft_attributes.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "data/row_source_internal.h"

namespace attune::data {
namespace {

constexpr std::array<std::string_view, 6> kColumns = {"rater_id",  "reference_title", "soft_attribute",
                                                      "less_than", "about_as",        "more_than"};
constexpr size_t kMaxListed = 1000;  // titles of one list

void add_title(std::vector<std::string>& out, std::string_view title) {
  title = trim_blanks(title);
  check(!title.empty(), ErrorCode::kCorruptData, "[title list] title ", out.size() + 1, " is empty");
  check(title.size() <= kMaxTitleBytes, ErrorCode::kCorruptData, "[title list] title ", out.size() + 1, " has ", title.size(),
        " bytes, expected at most ", kMaxTitleBytes);
  check(out.size() < kMaxListed, ErrorCode::kCorruptData, "[title list] more than ", kMaxListed, " titles");
  out.emplace_back(title);
}

std::vector<std::string> parse_json_list(std::string_view text) {
  const auto parsed = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  check(parsed.is_array(), ErrorCode::kCorruptData, "[title list] expected a JSON array of titles, found \"", text.substr(0, 60), "\"");
  std::vector<std::string> out;
  for (const auto& entry : parsed) {
    check(entry.is_string(), ErrorCode::kCorruptData, "[title list] entry ", out.size() + 1, " is no text");
    add_title(out, entry.get_ref<const std::string&>());
  }
  return out;
}

SoftSheet parse_sheet(const Fields& f) {
  SoftSheet out;
  out.rater = parse_key(f[0], "rater id");
  out.reference = parse_key(f[1], "reference title");
  out.attribute = lower_ascii(parse_key(f[2], "soft attribute"));
  try {
    out.less = parse_title_list(f[3]);
    out.about = parse_title_list(f[4]);
    out.more = parse_title_list(f[5]);
  } catch (const Error& error) {
    throw RowProblem{error.message()};
  }
  std::set<std::string_view> seen{out.reference};
  for (const auto* list : {&out.less, &out.about, &out.more}) {
    for (const auto& title : *list) {
      if (!seen.insert(title).second) throw RowProblem{cat("title \"", title.substr(0, 60), "\" stands twice in a row")};
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> parse_title_list(std::string_view text) {
  text = trim_blanks(text);
  std::vector<std::string> out;
  if (text.empty()) return out;
  if (text.front() == '[') return parse_json_list(text);
  while (true) {
    const size_t end = std::min(text.find(','), text.size());
    add_title(out, text.substr(0, end));
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

SoftSheets read_soft_attributes(const Path& file, double max_bad_share) {
  std::error_code error;
  check(std::filesystem::is_regular_file(file, error), ErrorCode::kNotFound, "[read soft attributes] ", file.string(), " is no file");
  ReadOptions options;
  options.max_bad_share = max_bad_share;
  SoftSheets out;
  RowSource source(file, {.delimiter = ",", .quoting = true, .header = true}, options, out.report, no_progress());
  std::array<size_t, kColumns.size()> place{};
  for (size_t n = 0; n < kColumns.size(); ++n) {
    const auto found = std::find(source.header().begin(), source.header().end(), kColumns[n]);
    check(found != source.header().end(), ErrorCode::kCorruptData, "[read ", source.name(), "] no column ", kColumns[n]);
    place[n] = static_cast<size_t>(found - source.header().begin());
  }
  source.each([&](const Fields& f) {
    Fields mine;
    for (const size_t n : place) mine.push_back(f[n]);
    out.sheets.push_back(parse_sheet(mine));
  });
  return out;
}

namespace {

/// Item of every title, each looked up once.
class TitleCache {
 public:
  TitleCache(const Dataset& catalogue, int year_slack, JoinReport& report) : index_(catalogue), slack_(year_slack), report_(report) {}

  std::optional<ItemIndex> find(const std::string& title) {
    if (const auto known = items_.find(title); known != items_.end()) return known->second;
    const auto match = index_.find(title, slack_);
    if (match) {
      ++report_.num_joined;
      report_.num_ambiguous += match->ambiguous ? 1 : 0;
    } else {
      report_.unjoined.push_back(title);
    }
    return items_[title] = match ? std::optional(match->item) : std::nullopt;
  }

 private:
  TitleIndex index_;
  int slack_;
  JoinReport& report_;
  std::map<std::string, std::optional<ItemIndex>> items_;
};

using Found = std::vector<std::optional<ItemIndex>>;

struct PairSink {
  SoftAttributes& out;
  std::vector<SoftPair>& pairs;

  void add(std::optional<ItemIndex> better, std::optional<ItemIndex> worse, int strength) {
    if (!better || !worse || *better == *worse) {
      ++out.num_dropped_pairs;
      return;
    }
    pairs.push_back({*better, *worse, strength});
    ++out.num_pairs[strength];
  }
  void add_all(const Found& better, const Found& worse, int strength) {
    for (const auto& b : better) {
      for (const auto& w : worse) add(b, w, strength);
    }
  }
};

void add_sheet_pairs(const Found& reference, const Found& less, const Found& about, const Found& more, PairSink sink) {
  sink.add_all(reference, less, 1);
  sink.add_all(more, reference, 1);
  sink.add_all(about, less, 1);
  sink.add_all(more, about, 1);
  sink.add_all(more, less, 2);
  sink.add_all(reference, about, 0);
  for (size_t a = 0; a < about.size(); ++a) {
    for (size_t b = a + 1; b < about.size(); ++b) sink.add(about[a], about[b], 0);
  }
}

}  // namespace

SoftAttributes join_soft_attributes(const SoftSheets& sheets, const Dataset& catalogue, int year_slack) {
  SoftAttributes out;
  TitleCache titles(catalogue, year_slack, out.report);
  std::map<std::string, std::map<UserIndex, std::vector<SoftPair>>> pairs;
  const auto all = [&](const std::vector<std::string>& list) {
    Found found;
    for (const auto& title : list) found.push_back(titles.find(title));
    return found;
  };
  for (const SoftSheet& sheet : sheets.sheets) {
    auto& mine = pairs[sheet.attribute][out.raters.add(sheet.rater)];
    const Found reference{titles.find(sheet.reference)};
    if (!reference[0]) ++out.num_skipped_sheets;
    add_sheet_pairs(reference, all(sheet.less), all(sheet.about), all(sheet.more), {out, mine});
  }
  for (auto& [name, raters] : pairs) {
    SoftAttribute attribute{name, {}};
    for (auto& [rater, list] : raters) {
      if (!list.empty()) attribute.raters.push_back({rater, std::move(list)});
    }
    if (!attribute.raters.empty()) out.attributes.push_back(std::move(attribute));
  }
  std::sort(out.report.unjoined.begin(), out.report.unjoined.end());
  return out;
}

}  // namespace attune::data
