#include "people/model_files_internal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number.h"
#include "core/rng.h"
#include "io/csv/csv.h"
#include "io/safetensors.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kFormat = "attune-recommender";
constexpr int kFormatVersion = 1;
constexpr uint64_t kMaxJsonBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxLinesBytes = uint64_t{1} << 31;
constexpr uint64_t kMaxFactorBytes = uint64_t{1} << 36;
constexpr const char* kFiles[] = {"factors.safetensors", "users.jsonl", "items.jsonl"};

std::string digest_of(std::string_view bytes) { return hex_digits(fnv1a(bytes)); }

std::string_view text_of(const MappedFile& file) { return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}; }

std::span<const std::byte> bytes_of(const auto& values) { return std::as_bytes(std::span(values)); }

// ---- options and record as JSON ----

Json encode_options(AlsOptions options) {
  OptionList list;
  options.describe(list);
  Json out = Json::object();
  for (const auto& option : list.options()) {
    const std::string text = option->value_text();
    if (option->type() == OptionType::kString) {
      out[option->name()] = text;
    } else {
      out[option->name()] = Json::parse(text);
    }
  }
  return out;
}

AlsOptions decode_options(const Json& json) {
  check(json.is_object(), ErrorCode::kCorruptData, "[model.json] options, expected an object");
  AlsOptions out;
  OptionList list;
  out.describe(list);
  for (const auto& [key, value] : json.items()) {
    Option* option = list.find(key);
    check(option != nullptr, ErrorCode::kCorruptData, "[model.json] unknown option ", key);
    check(value.is_primitive() && !value.is_null(), ErrorCode::kCorruptData, "[model.json] option ", key,
          ", expected a number, text, true or false");
    option->set_text(value.is_string() ? value.get<std::string>() : value.dump());
  }
  for (const auto& option : list.options()) {
    check(option->was_set(), ErrorCode::kCorruptData, "[model.json] option ", option->name(), " is missing");
  }
  return out;
}

/// Typed member of a JSON object, or kCorruptData naming file and key.
template <class T>
T member(const Json& json, const char* key, std::string_view file) {
  const auto found = json.find(key);
  check(found != json.end(), ErrorCode::kCorruptData, "[", file, "] ", key, " is missing");
  bool fits = false;
  if constexpr (std::is_same_v<T, std::string>) {
    fits = found->is_string();
  } else if constexpr (std::is_integral_v<T>) {
    fits = found->is_number_integer();
  } else {
    fits = found->is_number();
  }
  check(fits, ErrorCode::kCorruptData, "[", file, "] ", key, " has the wrong type: ", found->type_name());
  return found->template get<T>();
}

// ---- writing ----

Json encode_item(const std::string& id, const data::ItemInfo& info, int64_t popularity) {
  Json out = {{"id", id}, {"title", info.title}, {"display_title", info.display_title}};
  out["alternates"] = info.alternates;
  out["year"] = info.year ? Json(*info.year) : Json();
  out["genres"] = info.genres;
  out["popularity"] = popularity;
  out["other"] = info.other;
  return out;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string users_text(const RecommenderState& state) {
  std::string out;
  for (const auto& key : state.users.keys()) out.append(dump(Json{{"id", key}})).push_back('\n');
  return out;
}

std::string items_text(const RecommenderState& state) {
  std::string out;
  for (size_t i = 0; i < state.item_info.size(); ++i) {
    out.append(dump(encode_item(state.items.keys()[i], state.item_info[i], state.popularity[i]))).push_back('\n');
  }
  return out;
}

/// Ratings by user: offsets [n + 1], items, values, times [nnz].
struct RatingArrays {
  std::vector<int64_t> offsets;
  std::vector<int32_t> items;
  std::vector<float> values;
  std::vector<int64_t> times;
};

RatingArrays rating_arrays(const RecommenderState& state) {
  std::vector<const data::Interaction*> order;
  for (const auto& r : state.interactions) order.push_back(&r);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return std::pair(a->user, a->item) < std::pair(b->user, b->item); });
  RatingArrays out;
  out.offsets.assign(static_cast<size_t>(state.users.size()) + 1, 0);
  for (const auto* r : order) {
    ++out.offsets[static_cast<size_t>(r->user.value) + 1];
    out.items.push_back(r->item.value);
    out.values.push_back(r->rating);
    out.times.push_back(r->timestamp);
  }
  for (size_t u = 1; u < out.offsets.size(); ++u) out.offsets[u] += out.offsets[u - 1];
  return out;
}

void write_factors(const Path& path, const RecommenderState& state) {
  const AlsParameters& p = state.model.parameters();
  const int64_t n = state.users.size();
  const int64_t m = state.items.size();
  const RatingArrays ratings = rating_arrays(state);
  const auto nnz = static_cast<int64_t>(ratings.items.size());
  io::SafetensorsWriter writer;
  writer.add_tensor("user_factors", DType::kF32, {n, p.options.rank}, bytes_of(p.user_factors));
  writer.add_tensor("item_factors", DType::kF32, {m, p.options.rank}, bytes_of(p.item_factors));
  writer.add_tensor("user_bias", DType::kF32, {n}, bytes_of(p.user_bias));
  writer.add_tensor("item_bias", DType::kF32, {m}, bytes_of(p.item_bias));
  writer.add_tensor("rating_values", DType::kF32, {nnz}, bytes_of(ratings.values));
  writer.add_raw("rating_offsets", "I64", {n + 1}, bytes_of(ratings.offsets));
  writer.add_raw("rating_items", "I32", {nnz}, bytes_of(ratings.items));
  writer.add_raw("rating_times", "I64", {nnz}, bytes_of(ratings.times));
  writer.write(path);
}

Json model_json(const Path& folder, const RecommenderState& state) {
  const AlsParameters& p = state.model.parameters();
  Json out = {{"format", kFormat}, {"format_version", kFormatVersion}, {"kind", "als"}, {"version", state.version}};
  out["num_users"] = state.users.size();
  out["num_items"] = state.items.size();
  out["num_ratings"] = state.num_ratings;
  out["mean"] = p.mean;
  out["options"] = encode_options(p.options);
  out["record"] = {{"dataset", state.record.dataset}, {"num_ratings", state.record.num_ratings}, {"created", state.record.created}};
  out["record"]["metrics"] = state.record.metrics;
  out["record"]["note"] = state.record.note;
  for (const char* file : kFiles) out["digests"][file] = digest_of(text_of(MappedFile(folder / file)));
  return out;
}

/// Puts `fresh` where `target` is. One system call where the file system can exchange folders; otherwise two renames.
void put_in_place(const Path& fresh, const Path& target) {
  if (fs::exists(target)) {
#ifdef RENAME_EXCHANGE
    if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
      sync_folder(target.parent_path());
      fs::remove_all(fresh);
      return;
    }
#endif
    const Path old = fresh.string() + ".old";
    fs::rename(target, old);
    fs::rename(fresh, target);
    sync_folder(target.parent_path());
    fs::remove_all(old);
    return;
  }
  fs::rename(fresh, target);
  sync_folder(target.parent_path());
}

// ---- reading ----

Json parse_object(std::string_view text, const std::string& place) {
  Json out = Json::parse(text, nullptr, false);
  check(!out.is_discarded() && out.is_object(), ErrorCode::kCorruptData, "[", place, "] expected a JSON object");
  return out;
}

/// Calls `body` for each line of a JSON-lines file; a last line without line break is a cut file.
void each_line(std::string_view text, const std::string& file, const std::function<void(const Json&, const std::string& place)>& body) {
  int64_t line = 0;
  while (!text.empty()) {
    ++line;
    const std::string place = cat(file, ":", line);
    const size_t end = text.find('\n');
    check(end != std::string_view::npos, ErrorCode::kCorruptData, "[", place, "] the file is cut off: expected a line break at the end");
    body(parse_object(text.substr(0, end), place), place);
    text.remove_prefix(end + 1);
  }
}

std::string read_id(const Json& json, const std::string& place) {
  const auto id = member<std::string>(json, "id", place);
  check(!id.empty() && id.size() <= 256 && io::is_valid_utf8(id), ErrorCode::kCorruptData, "[", place, "] id has ", id.size(),
        " bytes, expected 1 to 256 of valid UTF-8");
  return id;
}

std::vector<std::string> read_strings(const Json& json, const char* key, const std::string& place) {
  const auto found = json.find(key);
  check(found != json.end() && found->is_array(), ErrorCode::kCorruptData, "[", place, "] ", key, ", expected a list of texts");
  std::vector<std::string> out;
  for (const auto& element : *found) {
    check(element.is_string(), ErrorCode::kCorruptData, "[", place, "] ", key, " holds something that is no text");
    out.push_back(element.get<std::string>());
  }
  return out;
}

data::ItemInfo read_item(const Json& json, const std::string& place) {
  data::ItemInfo out;
  out.title = member<std::string>(json, "title", place);
  out.display_title = member<std::string>(json, "display_title", place);
  out.alternates = read_strings(json, "alternates", place);
  out.genres = read_strings(json, "genres", place);
  if (const auto year = json.find("year"); year != json.end() && !year->is_null()) out.year = member<int>(json, "year", place);
  const auto other = json.find("other");
  check(other != json.end() && other->is_object(), ErrorCode::kCorruptData, "[", place, "] other, expected an object");
  for (const auto& [key, value] : other->items()) {
    check(value.is_string(), ErrorCode::kCorruptData, "[", place, "] other.", key, " is no text");
    out.other.emplace(key, value.get<std::string>());
  }
  return out;
}

void read_users(std::string_view text, data::Dataset& out) {
  each_line(text, "users.jsonl", [&](const Json& json, const std::string& place) {
    const auto id = read_id(json, place);
    check(!out.users.find(id), ErrorCode::kCorruptData, "[", place, "] user id ", id, " is repeated");
    out.users.add(id);
  });
}

void read_items(std::string_view text, data::Dataset& out) {
  each_line(text, "items.jsonl", [&](const Json& json, const std::string& place) {
    const auto id = read_id(json, place);
    check(!out.items.find(id), ErrorCode::kCorruptData, "[", place, "] item id ", id, " is repeated");
    out.item_info.push_back(read_item(json, place));
    out.items.add(id);
  });
}

std::vector<float> read_floats(const io::SafetensorsFile& file, const char* name, const std::vector<int64_t>& shape) {
  const io::TensorView& view = file.get(name);
  check(view.dtype == DType::kF32 && view.shape == shape, ErrorCode::kCorruptData, "[factors.safetensors] ", name, " is ",
        dtype_name(view.dtype), " ", shape_string(view.shape), ", expected F32 ", shape_string(shape));
  std::vector<float> out(view.data.size() / sizeof(float));
  std::memcpy(out.data(), view.data.data(), view.data.size());
  for (size_t i = 0; i < out.size(); ++i) {
    check(std::isfinite(out[i]), ErrorCode::kCorruptData, "[factors.safetensors] ", name, ": value ", i, " is not finite");
  }
  return out;
}

template <class T>
std::vector<T> read_integers(const io::SafetensorsFile& file, const char* name, const char* dtype, const std::vector<int64_t>& shape) {
  const auto* raw = file.find_raw(name);
  check(raw != nullptr, ErrorCode::kCorruptData, "[factors.safetensors] ", name, " is missing");
  check(raw->dtype == dtype && raw->shape == shape && raw->data.size() == static_cast<size_t>(shape[0]) * sizeof(T),
        ErrorCode::kCorruptData, "[factors.safetensors] ", name, " is ", raw->dtype, " ", shape_string(raw->shape), ", expected ", dtype,
        " ", shape_string(shape));
  std::vector<T> out(static_cast<size_t>(shape[0]));
  std::memcpy(out.data(), raw->data.data(), raw->data.size());
  return out;
}

void read_ratings(const io::SafetensorsFile& file, int64_t num_ratings, data::Dataset& out) {
  const int64_t n = out.users.size();
  const auto offsets = read_integers<int64_t>(file, "rating_offsets", "I64", {n + 1});
  const auto items = read_integers<int32_t>(file, "rating_items", "I32", {num_ratings});
  const auto times = read_integers<int64_t>(file, "rating_times", "I64", {num_ratings});
  const auto values = read_floats(file, "rating_values", {num_ratings});
  check(offsets.front() == 0 && offsets.back() == num_ratings, ErrorCode::kCorruptData, "[factors.safetensors] rating_offsets run from ",
        offsets.front(), " to ", offsets.back(), ", expected 0 to ", num_ratings);
  for (int64_t u = 0; u < n; ++u) {
    check(offsets[u] <= offsets[u + 1] && offsets[u + 1] <= num_ratings, ErrorCode::kCorruptData,
          "[factors.safetensors] rating_offsets fall at user row ", u);
    for (int64_t k = offsets[u]; k < offsets[u + 1]; ++k) {
      check(items[k] >= 0 && items[k] < out.items.size(), ErrorCode::kCorruptData, "[factors.safetensors] rating_items: value ", k, " is ",
            items[k], ", expected 0 to ", out.items.size() - 1);
      out.interactions.push_back({UserIndex(static_cast<int32_t>(u)), ItemIndex(items[k]), values[k], times[k]});
    }
  }
}

TrainRecord read_record(const Json& json) {
  check(json.is_object(), ErrorCode::kCorruptData, "[model.json] record, expected an object");
  TrainRecord out;
  out.dataset = member<std::string>(json, "dataset", "model.json");
  out.num_ratings = member<int64_t>(json, "num_ratings", "model.json");
  out.created = member<std::string>(json, "created", "model.json");
  out.note = member<std::string>(json, "note", "model.json");
  const auto metrics = json.find("metrics");
  check(metrics != json.end() && metrics->is_object(), ErrorCode::kCorruptData, "[model.json] metrics, expected an object");
  for (const auto& [key, value] : metrics->items()) {
    check(value.is_number(), ErrorCode::kCorruptData, "[model.json] metric ", key, " is no number");
    out.metrics.emplace(key, value.get<double>());
  }
  return out;
}

Json read_model_json(const Path& folder) {
  check(fs::is_directory(folder), ErrorCode::kNotFound, "[recommender] no folder ", folder.string(), ": run `attune learn ratings` first");
  Json out = parse_object(read_file(folder / "model.json", kMaxJsonBytes), "model.json");
  const auto format = member<std::string>(out, "format", "model.json");
  check(format == kFormat, ErrorCode::kUnsupported, "[model.json] format is ", format, ", expected ", kFormat);
  const auto version = member<int64_t>(out, "format_version", "model.json");
  check(version >= 1, ErrorCode::kCorruptData, "[model.json] format_version is ", version, ", expected at least 1");
  check(version <= kFormatVersion, ErrorCode::kUnsupported, "[model.json] format_version is ", version,
        ", this program knows versions up to ", kFormatVersion, ": use a newer Attune");
  const auto kind = member<std::string>(out, "kind", "model.json");
  check(kind == "als", ErrorCode::kUnsupported, "[model.json] kind is ", kind, ", expected als");
  return out;
}

MappedFile checked_file(const Path& folder, const char* name, uint64_t max_bytes, const Json& model) {
  MappedFile file(folder / name);
  check(file.bytes().size() <= max_bytes, ErrorCode::kCorruptData, "[", name, "] ", file.bytes().size(), " bytes, expected at most ",
        max_bytes);
  const auto digests = model.find("digests");
  check(digests != model.end() && digests->is_object(), ErrorCode::kCorruptData, "[model.json] digests, expected an object");
  const auto expected = member<std::string>(*digests, name, "model.json");
  const auto found = digest_of(text_of(file));
  check(found == expected, ErrorCode::kCorruptData, "[", name, "] digest is ", found, ", model.json expects ", expected,
        ": the file is damaged or belongs to another model");
  return file;
}

}  // namespace

ModelFiles read_model_files(const Path& folder) {
  const Json model = read_model_json(folder);
  ModelFiles out;
  const MappedFile users = checked_file(folder, "users.jsonl", kMaxLinesBytes, model);
  const MappedFile items = checked_file(folder, "items.jsonl", kMaxLinesBytes, model);
  const MappedFile factors = checked_file(folder, "factors.safetensors", kMaxFactorBytes, model);
  read_users(text_of(users), out.dataset);
  read_items(text_of(items), out.dataset);
  const int64_t n = out.dataset.users.size();
  const int64_t m = out.dataset.items.size();
  for (const auto& [key, found] : {std::pair("num_users", n), std::pair("num_items", m)}) {
    const auto expected = member<int64_t>(model, key, "model.json");
    check(found == expected && found > 0, ErrorCode::kCorruptData, "[model.json] ", key, " is ", expected, ", the id file has ", found);
  }
  AlsParameters& p = out.parameters;
  p.options = with_context("reading model.json", [&] { return decode_options(model.value("options", Json())); });
  p.mean = member<double>(model, "mean", "model.json");
  const auto file = io::SafetensorsFile::parse(factors.bytes(), "factors.safetensors");
  p.user_factors = read_floats(*file, "user_factors", {n, p.options.rank});
  p.item_factors = read_floats(*file, "item_factors", {m, p.options.rank});
  p.user_bias = read_floats(*file, "user_bias", {n});
  p.item_bias = read_floats(*file, "item_bias", {m});
  const auto num_ratings = member<int64_t>(model, "num_ratings", "model.json");
  check(num_ratings >= 1, ErrorCode::kCorruptData, "[model.json] num_ratings is ", num_ratings, ", expected at least 1");
  read_ratings(*file, num_ratings, out.dataset);
  out.record = read_record(model.value("record", Json()));
  out.dataset.name = out.record.dataset;
  return out;
}

void write_model_files(const Path& folder, const RecommenderState& state) {
  const Path target = fs::absolute(folder.has_filename() ? folder : folder.parent_path()).lexically_normal();
  const Path fresh = target.parent_path() / cat(".", target.filename().string(), ".new-", ::getpid());
  try {
    fs::create_directories(target.parent_path());
    fs::remove_all(fresh);
    fs::create_directory(fresh);
    write_file_atomic(fresh / "users.jsonl", users_text(state));
    write_file_atomic(fresh / "items.jsonl", items_text(state));
    write_factors(fresh / "factors.safetensors", state);
    write_file_atomic(fresh / "model.json", model_json(fresh, state).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    put_in_place(fresh, target);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    fail(ErrorCode::kIo, "[save recommender] ", error.what());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    throw;
  }
}

}  // namespace attune::people
