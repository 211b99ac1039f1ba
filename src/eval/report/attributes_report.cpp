#include "eval/report/attributes_report.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/number.h"
#include "eval/report/plot.h"

namespace attune::eval {
namespace {

using people::LearnedAttributes;
using people::Recommender;
using people::UserVector;
using people::WordMeaning;

constexpr size_t kMostWords = 14;       // rows of a spectrum or profile
constexpr size_t kMostItems = 10;       // of a sense
constexpr size_t kSpectra = 3;          // items side by side
constexpr int64_t kLeastRatings = 20;   // of an item shown for a sense, so that people may know it
constexpr int kSteps = 6;               // critiques of a trajectory
constexpr double kNormal95 = 1.959964;

struct Parts {
  ReportPage& page;
  std::shared_ptr<const Recommender> recommender;
  std::shared_ptr<const LearnedAttributes> attributes;
  const AttributesReportOptions& options;
  Path pictures;
};

std::string title_of(const Recommender& recommender, data::ItemIndex item) {
  const auto& info = recommender.item(item);
  return info.year ? cat(info.display_title, " (", *info.year, ")") : info.display_title;
}

template <class Ids>
auto find_row(const Ids& ids, const std::string& key, std::string_view what) {
  const auto row = ids.find(key);
  check(row.has_value(), ErrorCode::kNotFound, "[report] no ", what, " \"", key.substr(0, 60), "\" in this recommender");
  return *row;
}

/// The rows whose words differ most from the average, largest value first.
std::vector<PlotRow> most_telling(std::vector<PlotRow> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const PlotRow& a, const PlotRow& b) { return std::abs(a.value) > std::abs(b.value); });
  rows.resize(std::min(rows.size(), kMostWords));
  std::stable_sort(rows.begin(), rows.end(), [](const PlotRow& a, const PlotRow& b) { return a.value > b.value; });
  return rows;
}

std::vector<data::ItemIndex> shown_items(const Parts& parts) {
  std::vector<data::ItemIndex> out;
  for (const auto& key : parts.options.items) out.push_back(find_row(parts.recommender->items(), key, "item"));
  if (!out.empty()) return out;
  for (int32_t i = 0; i < parts.recommender->items().size(); ++i) out.emplace_back(i);
  std::stable_sort(out.begin(), out.end(), [&](data::ItemIndex a, data::ItemIndex b) {
    return parts.recommender->popularity(a) > parts.recommender->popularity(b);
  });
  out.resize(std::min(out.size(), kSpectra));
  return out;
}

void add_spectra(const Parts& parts) {
  const auto items = shown_items(parts);
  for (size_t begin = 0; begin < items.size(); begin += kSpectra) {
    RowPlot plot;
    for (size_t n = begin; n < std::min(items.size(), begin + kSpectra); ++n) {
      RowChart chart{title_of(*parts.recommender, items[n]), "standard deviations", true, {}};
      for (const auto& attribute : parts.attributes->attributes()) {
        for (const auto& sense : attribute.senses) {
          const double degree = sense.degree[static_cast<size_t>(items[n].value)];
          chart.rows.push_back({sense.direction.name, degree, 0, 0, degree < 0 ? 1 : 0});
        }
      }
      chart.rows = most_telling(std::move(chart.rows));
      plot.charts.push_back(std::move(chart));
    }
    parts.page.picture(draw(plot, parts.pictures / cat("spectra-", begin / kSpectra + 1, ".svg")),
                       "How much of each word these items have, in standard deviations over the catalogue");
  }
}

size_t shown_attribute(const Parts& parts) {
  if (!parts.options.attribute.empty()) return parts.attributes->at(parts.options.attribute);
  const auto& all = parts.attributes->attributes();
  const auto found = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(a.senses.size(), a.num_users) < std::pair(b.senses.size(), b.num_users);
  });
  return static_cast<size_t>(found - all.begin());
}

void add_senses(const Parts& parts, size_t which) {
  const auto& attribute = parts.attributes->attributes()[which];
  RowPlot plot;
  for (size_t s = 0; s < std::min<size_t>(attribute.senses.size(), 4); ++s) {
    const auto& sense = attribute.senses[s];
    std::vector<data::ItemIndex> items;
    for (int32_t i = 0; i < parts.recommender->items().size(); ++i) {
      if (parts.recommender->popularity(data::ItemIndex(i)) >= kLeastRatings) items.emplace_back(i);
    }
    if (items.empty()) return parts.page.paragraph(cat("No item has ", kLeastRatings, " ratings."));
    const auto degree = [&](data::ItemIndex item) { return sense.degree[static_cast<size_t>(item.value)]; };
    std::stable_sort(items.begin(), items.end(), [&](data::ItemIndex a, data::ItemIndex b) { return degree(a) > degree(b); });
    items.resize(std::min(items.size(), kMostItems));
    RowChart chart{cat(sense.direction.name, ", ", fixed(100 * sense.share, 0), "% of its users"), "standard deviations", true, {}};
    for (const auto item : items) chart.rows.push_back({title_of(*parts.recommender, item), degree(item), 0, 0, static_cast<int>(s)});
    plot.charts.push_back(std::move(chart));
  }
  parts.page.paragraph(cat("\"", attribute.name, "\" is ", attribute.kind, ", learned from ", attribute.source, " of ", attribute.num_users,
                           " users, with ", attribute.senses.size(), attribute.senses.size() == 1 ? " sense." : " senses.",
                           " The items that have most of it:"));
  parts.page.picture(draw(plot, parts.pictures / "senses.svg"), "The items with the highest degree of the word, one chart a sense");
}

data::UserIndex shown_user(const Parts& parts) {
  if (!parts.options.user.empty()) return find_row(parts.recommender->users(), parts.options.user, "user");
  data::UserIndex best(0);
  for (int32_t u = 1; u < parts.recommender->users().size(); ++u) {
    if (parts.recommender->training_ratings(data::UserIndex(u)).size() > parts.recommender->training_ratings(best).size())
      best = data::UserIndex(u);
  }
  return best;
}

void add_profile(const Parts& parts, const people::CritiqueProfile& critics, data::UserIndex user) {
  const auto ratings = parts.recommender->training_ratings(user);
  const UserVector folded = parts.recommender->fold_in(ratings);
  const auto covariance = critics.covariance(ratings);
  RowChart chart{cat("User ", parts.recommender->users().key(user)), "standard deviations from the average user", false, {}};
  for (const auto& attribute : parts.attributes->attributes()) {
    const WordMeaning meaning = parts.attributes->meaning(attribute.name, user);
    const double taste = parts.attributes->taste(meaning, folded.p);
    const double half = kNormal95 * parts.attributes->taste_sd(meaning, covariance);
    chart.rows.push_back({meaning.name, taste, taste - half, taste + half, taste < 0 ? 1 : 0});
  }
  chart.rows = most_telling(std::move(chart.rows));
  parts.page.paragraph(
      cat("What the user with ", ratings.size(), " ratings wants more or less of than others, with 95% intervals from the ratings:"));
  parts.page.picture(draw(RowPlot{{chart}}, parts.pictures / "profile.svg"), "Tastes of one user by word");
}

/// Mean degree of the list's ten items after 0, 1, ... critiques of one sign.
PlotLine trajectory(const Parts& parts, const people::CritiqueProfile& critics, data::UserIndex user, const std::string& word, int sign) {
  const auto ratings = parts.recommender->training_ratings(user);
  const UserVector folded = parts.recommender->fold_in(ratings);
  const WordMeaning meaning = parts.attributes->meaning(word, user);
  PlotLine out{sign > 0 ? "more" : "less", {}, {}, {}, {}};
  std::vector<people::StoredCritique> said;
  for (int step = 0; step <= kSteps; ++step) {
    const auto vector = critics.replay(user, ratings, folded, said).vector;
    const auto list = parts.recommender->recommend(vector, ratings);
    people::CritiqueEvent event{word, sign, 1, {}};
    double degree = 0;
    for (const auto& scored : list) {
      event.slate.push_back(parts.recommender->items().key(scored.item));
      degree += parts.attributes->degree(meaning, scored.item) / static_cast<double>(list.size());
    }
    out.x.push_back(step);
    out.y.push_back(degree);
    said.push_back({cat("report ", step), 0, std::move(event)});
  }
  return out;
}

void add_trajectories(const Parts& parts, const people::CritiqueProfile& critics, data::UserIndex user, size_t which) {
  const std::string& word = parts.attributes->attributes()[which].name;
  LinePlot plot{
      cat("\"", word, "\" in the list of user ", parts.recommender->users().key(user)), "critiques", "mean degree of the ten items", {}};
  for (const int sign : {1, -1}) plot.lines.push_back(trajectory(parts, critics, user, word, sign));
  parts.page.paragraph("What saying \"more\" or \"less\" of it again and again does to the list:");
  parts.page.picture(draw(plot, parts.pictures / "trajectories.svg"), "Mean degree of the list after each critique");
}

}  // namespace

void add_attributes(ReportPage& page, std::shared_ptr<const Recommender> recommender, std::shared_ptr<const LearnedAttributes> attributes,
                    const AttributesReportOptions& options, const Path& pictures) {
  check(!attributes->attributes().empty(), ErrorCode::kNotFound, "[report] this recommender has learned no word");
  const Parts parts{page, recommender, attributes, options, pictures};
  const people::CritiqueProfile critics(recommender, attributes);
  page.heading("Words of the recommender");
  page.paragraph(cat(attributes->attributes().size(), " words, learned ", attributes->record().created,
                     ". Degrees are standard deviations over the catalogue."));
  add_spectra(parts);
  const size_t which = shown_attribute(parts);
  page.heading("Senses of a word");
  add_senses(parts, which);
  const data::UserIndex user = shown_user(parts);
  page.heading("A user's profile");
  add_profile(parts, critics, user);
  page.heading("Critiques");
  add_trajectories(parts, critics, user, which);
}

}  // namespace attune::eval
