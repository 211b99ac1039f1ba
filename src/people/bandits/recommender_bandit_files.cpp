// bandit.json and the model file that it names: docs/formats/recommender_bandit.md.
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/bandits/recommender_bandit.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kFile = "bandit.json";
constexpr const char* kFormat = "attune-recommender-bandit";
constexpr int kFormatVersion = 1;
constexpr uint64_t kMaxJsonBytes = uint64_t{16} << 20;
constexpr size_t kMaxTextBytes = 1000;
constexpr size_t kMaxListed = 1000;

template <class... Parts>
void need(bool ok, const Parts&... parts) {
  check(ok, ErrorCode::kCorruptData, "[", kFile, "] ", parts...);
}

const Json& member(const Json& json, const char* key) {
  need(json.is_object(), "expected an object around ", key);
  const auto found = json.find(key);
  need(found != json.end(), key, " is missing");
  return *found;
}
std::string text(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_string() && value.get_ref<const std::string&>().size() <= kMaxTextBytes, key, ": expected a text of at most ",
       kMaxTextBytes, " bytes");
  return value.get<std::string>();
}
double number(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_number() && std::isfinite(value.get<double>()), key, ": expected a number");
  return value.get<double>();
}
int64_t count(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_number_integer() && value.get<double>() >= 0 && value.get<double>() <= 1e15, key, ": expected a count");
  return value.get<int64_t>();
}
const Json& list(const Json& json, const char* key, size_t most) {
  const Json& value = member(json, key);
  need(value.is_array() && value.size() <= most, key, ": expected a list of at most ", most);
  return value;
}

Json state_json(const LatentStateInfo& state, const Recommender& recommender) {
  Json items = Json::array();
  for (const auto& i : state.items) items.push_back({{"item", recommender.items().key(i.item)}, {"mean", i.mean}, {"lift", i.lift}});
  Json genres = Json::array();
  for (const auto& g : state.genres) genres.push_back({{"genre", g.genre}, {"lift", g.lift}});
  return {
      {"name", state.name}, {"share", state.share}, {"users", state.num_users}, {"items", std::move(items)}, {"genres", std::move(genres)}};
}

LatentStateInfo read_state(const Json& json, const Recommender& recommender) {
  LatentStateInfo out;
  out.name = text(json, "name");
  out.share = number(json, "share");
  out.num_users = count(json, "users");
  for (const Json& entry : list(json, "items", kMaxListed)) {
    const std::string id = text(entry, "item");
    const auto item = recommender.items().find(id);
    need(item.has_value(), "unknown item ", id.substr(0, 100));
    out.items.push_back({*item, number(entry, "mean"), number(entry, "lift")});
  }
  for (const Json& entry : list(json, "genres", kMaxListed)) out.genres.push_back({text(entry, "genre"), number(entry, "lift")});
  return out;
}

Path model_path(const Path& folder, const std::string& version) { return folder / cat(version, ".json"); }

/// The models of earlier bandits.
void remove_others(const Path& folder, const std::string& kept) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name != kept && name.starts_with("bandit-") && name.ends_with(".json")) fs::remove(entry.path(), error);
  }
}

/// A version names a file: nothing else than letters, digits and dashes.
void check_version(const std::string& version) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  need(version.starts_with("bandit-") && version.find_first_not_of(kAllowed) == std::string::npos, "model: expected bandit-DIGITS, found ",
       version.substr(0, 100));
}

std::shared_ptr<const RecommenderBandit> read(const Path& folder, const Recommender& recommender) {
  const Json json = Json::parse(read_file(folder / kFile, kMaxJsonBytes), nullptr, false);
  need(json.is_object(), "expected a JSON object");
  need(text(json, "format") == kFormat, "format: expected ", kFormat);
  const int64_t format_version = count(json, "format_version");
  check(format_version <= kFormatVersion, ErrorCode::kUnsupported, "[", kFile, "] format_version: expected at most ", kFormatVersion,
        ", found ", format_version);
  const std::string made_for = text(json, "recommender");
  check(made_for == recommender.version(), ErrorCode::kFailedPrecondition, "[", kFile, "] learned from recommender ", made_for,
        ", expected ", recommender.version());
  const std::string version = text(json, "model");
  check_version(version);
  RecommenderBanditParts parts;
  parts.file = load_latent_model(model_path(folder, version));
  need(parts.file.model.version == version, "the model is ", parts.file.model.version, ", expected ", version);
  parts.round_hours = number(json, "round_hours");
  parts.dismiss_rating = number(json, "dismiss_rating");
  for (const Json& state : list(json, "states", static_cast<size_t>(kMostStates))) parts.states.push_back(read_state(state, recommender));
  return std::make_shared<const RecommenderBandit>(recommender, std::move(parts));
}

}  // namespace

void RecommenderBandit::save(const Path& folder, const Recommender& recommender) const {
  LatentModelFile file = parts_.file;
  file.model = *model_;
  save_latent_model(model_path(folder, version()), file);
  Json states = Json::array();
  for (const auto& state : parts_.states) states.push_back(state_json(state, recommender));
  const Json out = {{"format", kFormat},          {"format_version", kFormatVersion},  {"recommender", recommender.version()},
                    {"model", version()},         {"round_hours", parts_.round_hours}, {"dismiss_rating", parts_.dismiss_rating},
                    {"states", std::move(states)}};
  write_file_atomic(folder / kFile, out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  remove_others(folder, cat(version(), ".json"));
}

std::shared_ptr<const RecommenderBandit> RecommenderBandit::load(const Path& folder, const Recommender& recommender) {
  check(fs::exists(folder / kFile), ErrorCode::kNotFound, "[moods] none were learned: run `", kLearnBanditCommand, "`");
  try {
    return read(folder, recommender);
  } catch (const Error& error) {
    throw Error(error.code(), cat(error.what(), "; run `", kLearnBanditCommand, "` again"));
  }
}

}  // namespace attune::people
