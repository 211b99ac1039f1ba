#include "people/judged_attributes.h"

namespace attune::people {

std::vector<AttributeData> judged_attributes(const data::SoftAttributes& judgements) {
  std::vector<AttributeData> out;
  for (const auto& attribute : judgements.attributes) {
    AttributeData data;
    data.name = attribute.name;
    for (const auto& rater : attribute.raters) {
      UserTags user;
      user.user = rater.rater;
      for (const auto& pair : rater.pairs) {
        if (pair.strength > 0) user.pairs.push_back({pair.better, pair.worse, static_cast<float>(pair.strength)});
      }
      if (!user.pairs.empty()) data.users.push_back(std::move(user));
    }
    if (!data.users.empty()) out.push_back(std::move(data));
  }
  return out;
}

}  // namespace attune::people
