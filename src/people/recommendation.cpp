#include "people/recommendation.h"

#include "core/error.h"

namespace attune::people {

RecommendationList recommend_for(const Recommender& recommender, std::string_view user, int k, std::span<const store::Event> events) {
  const auto known = recommender.users().find(user);
  check(known || !events.empty(), ErrorCode::kNotFound, "[recommend] unknown user \"", user.substr(0, 100), "\"");
  const auto history = recommender.history(known, events);
  RecommendOptions options;
  options.k = k;
  options.exclude = recommender.dismissed(events);
  RecommendationList out{std::string(user), {}};
  for (const auto& scored : recommender.recommend(history, options)) {
    out.items.push_back({recommender.items().key(scored.item), recommender.item(scored.item).display_title, scored.score});
  }
  return out;
}

}  // namespace attune::people
