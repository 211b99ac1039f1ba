// C10: directions against what raters say.
#include "core/error.h"
#include "data/read.h"
#include "data/soft_attributes.h"
#include "envs/critique_user.h"
#include "eval/soft_attributes/claims.h"
#include "eval/soft_attributes/real_data_internal.h"
#include "eval/soft_attributes/worlds_internal.h"
#include "people/attribute_eval.h"
#include "people/judged_attributes.h"

namespace attune::eval {

people::ItemSpace Films::space(int32_t rank, uint64_t seed, ThreadPool& pool) const {
  people::AlsOptions options = people::als_preset("soft_attributes");
  options.rank = rank;
  options.sweeps = 8;
  options.seed = seed;
  return item_space(dataset, people::fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), options, pool),
                    cat("items of ", dataset.name));
}

people::ItemSpace Films::ranking_space(uint64_t seed, ThreadPool& pool) const {
  people::AlsOptions options = people::als_preset("ranking");
  options.seed = seed;
  return item_space(dataset, people::fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), options, pool),
                    cat("items of ", dataset.name));
}

std::shared_ptr<const Films> load_films(const Path& folder) {
  check(std::filesystem::exists(folder), ErrorCode::kNotFound, "data absent: ", folder.filename().string());
  auto out = std::make_shared<Films>();
  out->dataset = data::read_dataset(folder);
  data::deduplicate(out->dataset);
  return out;
}

std::vector<people::AttributeData> load_judgements(const Path& folder, const Films& films) {
  const Path file = folder / "soft-attributes" / "soft-attributes.csv";
  check(std::filesystem::exists(file), ErrorCode::kNotFound, "data absent: ", file.filename().string());
  return people::judged_attributes(data::join_soft_attributes(data::read_soft_attributes(file), films.dataset));
}

namespace {

double judged_gamma(const people::ItemSpace& space, const people::AttributeData& word, std::string mode, uint64_t seed) {
  people::HoldOutOptions options;  // users are raters, fifths by row
  options.cav.mode = std::move(mode);
  options.cav.cross_validate = false;
  options.cav.seed = seed;
  return people::held_out_accuracy(space, word, options).agreement.gamma();
}

double random_gamma(const people::ItemSpace& space, const people::AttributeData& word, uint64_t seed) {
  const auto degree = people::degrees(space, envs::random_directions(1, space.d(), seed));
  stats::GradedAgreement out;
  for (const auto& rater : word.users) out += people::graded_agreement(degree, rater.pairs);
  return out.gamma();
}

Measured judged_directions(const Films& films, const std::vector<people::AttributeData>& judged, const ClaimContext& context,
                           uint64_t seed) {
  const auto space = films.space(64, seed, context.pool);
  Measured out;
  out.values.resize(2);
  std::vector<double> ranking, binary, list, random;
  for (size_t k = 0; k < judged.size(); ++k) {
    ranking.push_back(judged_gamma(space, judged[k], "ranking_simple", seed));
    binary.push_back(judged_gamma(space, judged[k], "binary", seed));
    random.push_back(random_gamma(space, judged[k], seed * 1000 + k));
    if (!context.quick) list.push_back(judged_gamma(space, judged[k], "ranking_list", seed));
    out.values[0].push_back(ranking.back() - binary.back());
    out.values[1].push_back(ranking.back() - random.back());
  }
  out.extras = {{"ranking_simple", mean_of(ranking)}, {"binary", mean_of(binary)}, {"random", mean_of(random)}};
  if (!list.empty()) out.extras.emplace_back("ranking_list", mean_of(list));
  return out;
}

}  // namespace

Claim judgement_claim() {
  Claim out{"C10", "judgements of SoftAttributes, 5 folds by rater", {}, "", {}};
  out.parts = {{"C10a", "G' of ranking_simple - binary, over attributes", Bound::kLowAbove, 0},
               {"C10b", "G' of ranking_simple - a random direction, over attributes", Bound::kLowAbove, 0}};
  out.note =
      "raters judge films around one reference at a time, so each rater's films lie on both sides and win or lose most of their pairs: the "
      "labels of binary say nearly what the pairs say, and no threshold is left to cancel";
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    const auto films = load_films(context.real_data / "ml-latest-small");
    const auto judged = std::make_shared<std::vector<people::AttributeData>>(load_judgements(context.real_data, *films));
    return [context, films, judged](uint64_t seed) { return judged_directions(*films, *judged, context, seed); };
  };
  return out;
}

}  // namespace attune::eval
