// attributes.json and attributes-DIGEST.safetensors: docs/formats/attributes.md.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number.h"
#include "core/rng.h"
#include "io/safetensors.h"
#include "people/soft_attributes.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kFile = "attributes.json";
constexpr const char* kFormat = "attune-attributes";
constexpr int kFormatVersion = 1;
constexpr uint64_t kMaxJsonBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 32;
constexpr size_t kMaxAttributes = 100'000;
constexpr size_t kMaxSenses = 100;  // of a word
constexpr size_t kMaxTextBytes = 10'000;

std::string tensor_file(const std::string& digest) { return cat("attributes-", digest, ".safetensors"); }

std::string_view text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// ---- writing ----

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json attribute_json(const SoftAttribute& attribute) {
  Json out = {{"name", attribute.name},
              {"kind", attribute.kind},
              {"source", attribute.source},
              {"users", attribute.num_users},
              {"examples", attribute.num_examples},
              {"accuracy", optional_number(attribute.accuracy)},
              {"auc", optional_number(attribute.auc)}};
  out["senses"] = Json::array();
  for (const auto& sense : attribute.senses) {
    Json record = Json::parse(sense.direction.record, nullptr, false);
    out["senses"].push_back(
        {{"share", sense.share}, {"users", sense.num_users}, {"record", record.is_object() ? std::move(record) : Json::object()}});
  }
  return out;
}

/// What the tensor file holds, attribute by attribute.
struct Tensors {
  std::vector<float> directions;  ///< [senses, d]
  std::vector<int32_t> users;  ///< [K, 3]: attribute, user row, sense
  int64_t num_senses = 0;

  explicit Tensors(const std::vector<SoftAttribute>& attributes) {
    for (size_t a = 0; a < attributes.size(); ++a) {
      for (const auto& sense : attributes[a].senses) {
        directions.insert(directions.end(), sense.direction.unit.v.begin(), sense.direction.unit.v.end());
        ++num_senses;
      }
      for (const auto& [user, sense] : attributes[a].users) users.insert(users.end(), {static_cast<int32_t>(a), user.value, sense});
    }
  }
  std::string digest() const {
    return hex_digits(fnv1a(text_of(std::as_bytes(std::span(users))), fnv1a(text_of(std::as_bytes(std::span(directions))))));
  }
  void write(const Path& path) const {
    io::SafetensorsWriter writer;
    const auto width = static_cast<int64_t>(directions.size()) / num_senses;
    writer.add_tensor("directions", DType::kF32, {num_senses, width}, std::as_bytes(std::span(directions)));
    if (!users.empty()) writer.add_raw("sense_users", "I32", {static_cast<int64_t>(users.size()) / 3, 3}, std::as_bytes(std::span(users)));
    writer.write(path);
  }
};

/// Removes the tensors of earlier sets.
void remove_others(const Path& folder, const std::string& kept) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name != kept && name.starts_with("attributes-") && name.ends_with(".safetensors")) fs::remove(entry.path(), error);
  }
}

// ---- reading ----

template <class... Parts>
void need(bool ok, const Parts&... parts) {
  check(ok, ErrorCode::kCorruptData, "[", kFile, "] ", parts...);
}

const Json& member(const Json& json, const char* key) {
  const auto found = json.find(key);
  need(found != json.end(), key, " is missing");
  return *found;
}
std::string text(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_string() && value.get_ref<const std::string&>().size() <= kMaxTextBytes, key, ", expected a text of at most ",
       kMaxTextBytes, " bytes");
  return value.get<std::string>();
}
int64_t count(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_number_integer() && value.get<double>() >= 0 && value.get<double>() <= 1e15, key, ", expected a count");
  return value.get<int64_t>();
}
double number(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_number() && std::isfinite(value.get<double>()), key, ", expected a number");
  return value.get<double>();
}
std::optional<double> number_or_null(const Json& json, const char* key) {
  if (member(json, key).is_null()) return std::nullopt;
  return number(json, key);
}
const Json& list(const Json& json, const char* key, size_t most) {
  const Json& value = member(json, key);
  need(value.is_array() && value.size() <= most, key, ", expected a list of at most ", most);
  return value;
}

SoftAttribute read_attribute(const Json& json) {
  need(json.is_object(), "attributes, expected a list of objects");
  SoftAttribute out;
  out.name = text(json, "name");
  out.kind = text(json, "kind");
  out.source = text(json, "source");
  out.num_users = count(json, "users");
  out.num_examples = count(json, "examples");
  out.accuracy = number_or_null(json, "accuracy");
  out.auc = number_or_null(json, "auc");
  for (const Json& entry : list(json, "senses", kMaxSenses)) {
    need(entry.is_object() && member(entry, "record").is_object(), "senses of ", out.name.substr(0, 100),
         ", expected objects with a record");
    AttributeSense sense;
    sense.share = number(entry, "share");
    sense.num_users = count(entry, "users");
    sense.direction.record = member(entry, "record").dump(-1, ' ', false, Json::error_handler_t::replace);
    out.senses.push_back(std::move(sense));
  }
  return out;
}

void read_directions(const io::SafetensorsFile& file, int d, std::vector<SoftAttribute>& attributes) {
  int64_t senses = 0;
  for (const auto& attribute : attributes) senses += static_cast<int64_t>(attribute.senses.size());
  const io::TensorView& view = file.get("directions");
  check(view.dtype == DType::kF32 && view.shape == std::vector<int64_t>{senses, d}, ErrorCode::kCorruptData,
        "[attributes tensors] directions is ", dtype_name(view.dtype), " ", shape_string(view.shape), ", expected F32 ",
        shape_string({senses, d}));
  const auto* values = reinterpret_cast<const char*>(view.data.data());
  for (auto& attribute : attributes) {
    for (auto& sense : attribute.senses) {
      sense.direction.unit.v.resize(static_cast<size_t>(d));
      std::memcpy(sense.direction.unit.v.data(), values, static_cast<size_t>(d) * sizeof(float));
      values += static_cast<size_t>(d) * sizeof(float);
    }
  }
}

void read_users(const io::SafetensorsFile& file, std::vector<SoftAttribute>& attributes) {
  const auto* raw = file.find_raw("sense_users");
  if (raw == nullptr) return;
  check(raw->dtype == "I32" && raw->shape.size() == 2 && raw->shape[1] == 3 &&
            raw->data.size() == static_cast<size_t>(raw->shape[0]) * 3 * sizeof(int32_t),
        ErrorCode::kCorruptData, "[attributes tensors] sense_users is ", raw->dtype, " ", shape_string(raw->shape),
        ", expected I32 [K, 3]");
  for (int64_t k = 0; k < raw->shape[0]; ++k) {
    int32_t row[3];
    std::memcpy(row, raw->data.data() + static_cast<size_t>(k) * sizeof(row), sizeof(row));
    check(row[0] >= 0 && static_cast<size_t>(row[0]) < attributes.size(), ErrorCode::kCorruptData, "[attributes tensors] sense_users row ",
          k, ": attribute ", row[0], ", there are ", attributes.size());
    attributes[static_cast<size_t>(row[0])].users.push_back({UserIndex(row[1]), row[2]});
  }
}

/// The file's members that are not attributes; checks format and version of the recommender.
SoftAttributesRecord read_record(const Json& json, const Recommender& recommender) {
  const auto format = text(json, "format");
  check(format == kFormat, ErrorCode::kUnsupported, "[", kFile, "] format is ", format.substr(0, 100), ", expected ", kFormat);
  const int64_t version = count(json, "format_version");
  check(version >= 1 && version <= kFormatVersion, ErrorCode::kUnsupported, "[", kFile, "] format_version is ", version,
        ", this program knows versions up to ", kFormatVersion, ": use a newer Attune, or run `", kLearnAttributesCommand, "`");
  SoftAttributesRecord out;
  out.recommender = text(json, "recommender");
  check(out.recommender == recommender.version(), ErrorCode::kFailedPrecondition, "[attributes] learned for recommender ",
        out.recommender.substr(0, 100), ", this one is ", recommender.version(), ": run `", kLearnAttributesCommand, "` again");
  out.created = text(json, "created");
  for (const Json& line : list(json, "sources", 1000)) {
    need(line.is_string(), "sources, expected texts");
    out.sources.push_back(line.get<std::string>());
  }
  out.num_skipped = count(json, "num_skipped");
  out.residual_variance = number(json, "residual_variance");
  need(out.residual_variance >= 0, "residual_variance is below 0");
  return out;
}

}  // namespace

bool LearnedAttributes::exist(const Path& folder) {
  std::error_code error;
  return fs::exists(folder / kFile, error);
}

std::shared_ptr<const LearnedAttributes> LearnedAttributes::load(const Path& folder, const Recommender& recommender) {
  return with_context([&] { return cat("loading the attributes of ", folder.string()); },
                      [&] {
                        check(exist(folder), ErrorCode::kNotFound, "[attributes] none were learned: run `", kLearnAttributesCommand, "`");
                        const Json json = Json::parse(read_file(folder / kFile, kMaxJsonBytes), nullptr, false);
                        need(json.is_object(), "expected a JSON object");
                        SoftAttributesRecord record = read_record(json, recommender);
                        std::vector<SkippedWord> skipped;
                        for (const Json& entry : list(json, "skipped", kMaxAttributes)) {
                          need(entry.is_object(), "skipped, expected objects");
                          skipped.push_back({text(entry, "name"), text(entry, "reason")});
                        }
                        std::vector<SoftAttribute> attributes;
                        for (const Json& entry : list(json, "attributes", kMaxAttributes)) attributes.push_back(read_attribute(entry));
                        const std::string digest = text(json, "digest");
                        need(digest.size() == 16 && digest.find_first_not_of("0123456789abcdef") == std::string::npos,
                             "digest, expected 16 hexadecimal digits");
                        const MappedFile mapped(folder / tensor_file(digest));
                        check(mapped.bytes().size() <= kMaxTensorBytes, ErrorCode::kCorruptData, "[", tensor_file(digest), "] ",
                              mapped.bytes().size(), " bytes, expected at most ", kMaxTensorBytes);
                        const auto file = io::SafetensorsFile::parse(mapped.bytes(), tensor_file(digest));
                        read_directions(*file, recommender.model().rank(), attributes);
                        read_users(*file, attributes);
                        const auto found = Tensors(attributes).digest();
                        check(found == digest, ErrorCode::kCorruptData, "[", tensor_file(digest), "] digest is ", found,
                              ": the file is damaged; run `", kLearnAttributesCommand, "` again");
                        return std::make_shared<const LearnedAttributes>(recommender, std::move(attributes), std::move(record),
                                                                         std::move(skipped));
                      });
}

void LearnedAttributes::save(const Path& folder) const {
  with_context(
      [&] { return cat("saving the attributes of ", folder.string()); },
      [&] {
        check(fs::is_directory(folder), ErrorCode::kNotFound, "[attributes] no folder ", folder.string());
        check(!attributes_.empty(), ErrorCode::kFailedPrecondition, "[attributes] there are none to save");
        const Tensors tensors(attributes_);
        const std::string digest = tensors.digest();
        tensors.write(folder / tensor_file(digest));
        Json json = {
            {"format", kFormat}, {"format_version", kFormatVersion}, {"recommender", record_.recommender}, {"created", record_.created}};
        json["digest"] = digest;
        json["sources"] = record_.sources;
        json["residual_variance"] = record_.residual_variance;
        json["num_skipped"] = record_.num_skipped;
        json["skipped"] = Json::array();
        for (const auto& word : skipped_) json["skipped"].push_back({{"name", word.name}, {"reason", word.reason}});
        json["attributes"] = Json::array();
        for (const auto& attribute : attributes_) json["attributes"].push_back(attribute_json(attribute));
        write_file_atomic(folder / kFile, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
        remove_others(folder, tensor_file(digest));
      });
}

}  // namespace attune::people
