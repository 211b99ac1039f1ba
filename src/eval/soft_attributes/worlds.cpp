#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "eval/soft_attributes/worlds_internal.h"

namespace attune::eval {

bool LearnedWorld::has(size_t word) const {
  return std::any_of(tags.attributes.begin(), tags.attributes.end(), [&](const auto& a) { return a.name == world.words[word].name; });
}

std::vector<size_t> LearnedWorld::words(bool several_senses) const {
  std::vector<size_t> out;
  for (size_t word = 0; word < world.words.size(); ++word) {
    if ((world.words[word].senses.size() > 1) == several_senses && has(word)) out.push_back(word);
  }
  return out;
}

envs::AttributeWorldOptions claim_world(const ClaimContext& context, uint64_t seed) {
  auto out = envs::attribute_world_preset(context.quick ? "ci" : "standard");
  out.none_share = 0.5;
  out.seed = seed;
  return out;
}

people::AlsModel fit_world(const envs::AttributeWorld& world, ThreadPool& pool, std::span<const data::Interaction> ratings) {
  people::AlsOptions options = people::als_preset("soft_attributes");
  options.rank = world.num_attributes();
  options.w0 = 0;
  options.sweeps = 8;
  options.seed = world.options.seed;
  return people::fit_als(ratings.empty() ? std::span<const data::Interaction>(world.dataset.interactions) : ratings,
                         world.dataset.users.size(), world.dataset.items.size(), options, pool);
}

people::ItemSpace item_space(const data::Dataset& dataset, const people::AlsModel& model, std::string name) {
  return people::ItemSpace({std::move(name), 1}, dataset.items, model.parameters().item_factors, model.rank());
}

LearnedWorld learn_world(const envs::AttributeWorldOptions& options, ThreadPool& pool) {
  auto world = envs::make_attribute_world(options);
  auto model = fit_world(world, pool);
  auto space = item_space(world.dataset, model, "items of a generated world");
  auto tags = people::tag_attributes(world.dataset, {.min_rating = 0});
  std::vector<uint8_t> rated(static_cast<size_t>(world.dataset.items.size()), 0);
  for (const auto& rating : world.dataset.interactions) rated[static_cast<size_t>(rating.item.value)] = 1;
  return {std::move(world), std::move(model), std::move(space), std::move(tags), std::move(rated)};
}

size_t num_pairs(const people::UserTags& user) noexcept {
  return user.pairs.empty() ? user.tagged.size() * user.others.size() : user.pairs.size();
}

people::AttributeData with_pairs(const people::AttributeData& attribute, size_t least) {
  people::AttributeData out{attribute.name, {}};
  for (const auto& user : attribute.users) {
    if (num_pairs(user) >= least) out.users.push_back(user);
  }
  return out;
}

double mean_of(std::span<const double> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace attune::eval
