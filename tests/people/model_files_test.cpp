// Files of a recommender: saved and loaded, replaced, exported; every way in which they may be damaged.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/rng.h"
#include "io/npy/npy.h"
#include "people/recommender.h"
#include "tests/people/recommender_fixtures.h"
#include "tests/temp_folder.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;

class ModelFilesTest : public ::testing::Test {
 protected:
  Path folder() const { return root_ / "model"; }

  std::string text(const char* file) const { return read_file(folder() / file); }
  void put(const char* file, const std::string& content) const { std::ofstream(folder() / file, std::ios::binary) << content; }

  /// Replaces a file and its digest in model.json, so that the check behind the digest is what refuses it.
  void put_with_digest(const char* file, const std::string& content) const {
    put(file, content);
    Json model = Json::parse(text("model.json"));
    char digest[32];
    std::snprintf(digest, sizeof(digest), "%016llx", static_cast<unsigned long long>(fnv1a(content)));
    model["digests"][file] = digest;
    put("model.json", model.dump());
  }
  template <class Change>
  void change_json(Change change) const {
    Json model = Json::parse(text("model.json"));
    change(model);
    put("model.json", model.dump());
  }
  void expect_refused(ErrorCode code, const std::string& part) const {
    try {
      Recommender::load(folder());
      FAIL() << "accepted; expected " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << " lacks " << part;
    }
  }
  const test::TempFolder temp_{"model"};
  const Path root_ = temp_.path();
};

TEST_F(ModelFilesTest, RoundTrip) {
  for (const char* preset : {"ranking", "soft_attributes", "latent_bandits"}) {
    const auto before = make(preset);
    before->save(folder());
    const auto after = Recommender::load(folder());
    EXPECT_EQ(after->version(), before->version());
    EXPECT_EQ(after->users().keys(), before->users().keys());
    EXPECT_EQ(after->items().keys(), before->items().keys());
    EXPECT_EQ(after->model().parameters().user_factors, before->model().parameters().user_factors);
    EXPECT_EQ(after->model().parameters().item_bias, before->model().parameters().item_bias);
    EXPECT_EQ(after->model().parameters().mean, before->model().parameters().mean);
    EXPECT_EQ(after->model().parameters().options.target, before->model().parameters().options.target);
    EXPECT_EQ(after->model().parameters().options.lambda, before->model().parameters().options.lambda);
    EXPECT_EQ(after->record().metrics, before->record().metrics);
    EXPECT_EQ(after->record().created, "2026-01-02T03:04:05Z");
    for (int u = 0; u < kUsers; ++u) {
      const auto a = before->recommend(UserIndex(u), {.k = 10});
      const auto b = after->recommend(UserIndex(u), {.k = 10});
      for (size_t n = 0; n < a.size(); ++n) {
        EXPECT_EQ(a[n].item, b[n].item);
        EXPECT_EQ(a[n].score, b[n].score);
      }
    }
    const auto& a = before->item(ItemIndex(11));
    const auto& b = after->item(ItemIndex(11));
    EXPECT_EQ(a.title, b.title);
    EXPECT_EQ(a.display_title, b.display_title);
    EXPECT_EQ(a.year, b.year);
    EXPECT_EQ(a.genres, b.genres);
    EXPECT_EQ(after->popularity(ItemIndex(11)), before->popularity(ItemIndex(11)));
    size_t files = 0;  // no temporary file is left, in the folder or beside it
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder())) ++files;
    EXPECT_EQ(files, 4u);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root_), std::filesystem::directory_iterator()), 1);
  }
}

// Opaque keys: ids far above the number of rows, more users than items, texts of any kind.
TEST_F(ModelFilesTest, KeysAreOpaque) {
  data::Dataset dataset;
  const std::vector<std::string> users{"7", "100000", "11964631"};
  const std::vector<std::string> items{"1", "131262", "käse \"&\" \\ </x>", " 007", "0x7"};
  for (const auto& key : users) dataset.users.add(key);
  for (const auto& key : items) {
    dataset.items.add(key);
    data::ItemInfo info;
    info.title = info.display_title = key;
    dataset.item_info.push_back(info);
  }
  for (int u = 0; u < 3; ++u) {
    for (int i = u; i < 5; i += 2) dataset.interactions.push_back({UserIndex(u), ItemIndex(i), 4, 0});
  }
  ThreadPool pool(1);
  AlsOptions o = als_preset("ranking");
  o.rank = 2;
  AlsModel model = fit_als(dataset.interactions, 3, 5, o, pool);
  EXPECT_EQ(model.parameters().user_factors.size(), 6u);
  EXPECT_EQ(model.parameters().item_factors.size(), 10u);
  Recommender(dataset, std::move(model), {}).save(folder());
  const auto loaded = Recommender::load(folder());
  EXPECT_EQ(loaded->users().keys(), users);
  EXPECT_EQ(loaded->items().keys(), items);
  EXPECT_EQ(loaded->users().at("11964631").value, 2);
  try {
    loaded->users().at("8");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("\"8\""), std::string::npos);
  }
  EXPECT_THROW(loaded->items().at("2"), Error);
  // The transposed matrix does not fit: sizes are checked, and the index types do not convert.
  static_assert(!std::is_convertible_v<UserIndex, ItemIndex> && !std::is_convertible_v<int, UserIndex>);
  AlsModel transposed = fit_als(std::vector<data::Interaction>{{UserIndex(4), ItemIndex(2), 4, 0}}, 5, 3, o, pool);
  EXPECT_THROW(Recommender(dataset, std::move(transposed), {}), Error);
}

TEST_F(ModelFilesTest, SavingReplacesTheFolder) {
  make("ranking", 8)->save(folder());
  put("stale.txt", "x");
  make("ranking", 4)->save(folder());
  EXPECT_EQ(Recommender::load(folder())->model().rank(), 4);
  EXPECT_FALSE(std::filesystem::exists(folder() / "stale.txt"));
  make("ranking", 3)->save(folder() / "");  // "model/" names the same folder
  EXPECT_EQ(Recommender::load(folder())->model().rank(), 3);
}

TEST_F(ModelFilesTest, ExportToNpy) {
  const auto recommender = make();
  recommender->export_npy(root_ / "npy");
  const auto items = io::read_npy(root_ / "npy" / "item_factors.npy");
  EXPECT_EQ(items.shape, (std::vector<int64_t>{kItems, 8}));
  EXPECT_EQ(items.floats()[8 * 5 + 2], recommender->model().item_row(ItemIndex(5))[2]);
  EXPECT_EQ(io::read_npy(root_ / "npy" / "user_factors.npy").shape, (std::vector<int64_t>{kUsers, 8}));
  EXPECT_EQ(io::read_npy(root_ / "npy" / "user_bias.npy").shape, (std::vector<int64_t>{kUsers}));
  std::ofstream(root_ / "file") << "x";
  EXPECT_THROW(recommender->export_npy(root_ / "file"), Error);
}

TEST_F(ModelFilesTest, MissingAndNewer) {
  expect_refused(ErrorCode::kNotFound, "attune learn ratings");
  make()->save(folder());
  change_json([](Json& j) { j["format_version"] = 2; });
  expect_refused(ErrorCode::kUnsupported, "format_version is 2");
  change_json([](Json& j) { j["format_version"] = 0; });
  expect_refused(ErrorCode::kCorruptData, "format_version is 0");
  change_json([](Json& j) { j["format_version"] = "1"; });
  expect_refused(ErrorCode::kCorruptData, "wrong type");
  change_json([](Json& j) {
    j["format_version"] = 1;
    j["kind"] = "two_tower";
  });
  expect_refused(ErrorCode::kUnsupported, "two_tower");
  change_json([](Json& j) { j["format"] = "x"; });
  expect_refused(ErrorCode::kUnsupported, "format is x");
  for (const char* file : {"factors.safetensors", "users.jsonl", "items.jsonl", "model.json"}) {
    make()->save(folder());
    std::filesystem::remove(folder() / file);
    expect_refused(ErrorCode::kNotFound, file);
  }
}

TEST_F(ModelFilesTest, DamagedModelJson) {
  const std::pair<const char*, std::function<void(Json&)>> cases[] = {
      {"num_users", [](Json& j) { j["num_users"] = kUsers + 1; }},
      {"num_items", [](Json& j) { j["num_items"] = kItems - 1; }},
      {"num_users", [](Json& j) { j.erase("num_users"); }},
      {"num_ratings", [](Json& j) { j["num_ratings"] = 0; }},
      {"rating_items", [](Json& j) { j["num_ratings"] = 2399; }},
      {"mean", [](Json& j) { j["mean"] = "x"; }},
      {"mean", [](Json& j) { j["mean"] = nullptr; }},
      {"options", [](Json& j) { j["options"] = 3; }},
      {"rank", [](Json& j) { j["options"]["rank"] = 0; }},
      {"user_factors", [](Json& j) { j["options"]["rank"] = 9; }},
      {"rank", [](Json& j) { j["options"]["rank"] = 1e300; }},
      {"lambda", [](Json& j) { j["options"].erase("lambda"); }},
      {"colour", [](Json& j) { j["options"]["colour"] = 1; }},
      {"target", [](Json& j) { j["options"]["target"] = "x"; }},
      {"w0", [](Json& j) { j["options"]["w0"] = nullptr; }},
      {"w0", [](Json& j) { j["options"]["w0"] = Json::array(); }},
      {"digests", [](Json& j) { j.erase("digests"); }},
      {"users.jsonl", [](Json& j) { j["digests"].erase("users.jsonl"); }},
      {"digest", [](Json& j) { j["digests"]["items.jsonl"] = "0000000000000000"; }},
      {"record", [](Json& j) { j["record"] = 1; }},
      {"created", [](Json& j) { j["record"].erase("created"); }},
      {"metric", [](Json& j) { j["record"]["metrics"]["x"] = "y"; }},
  };
  for (const auto& [part, change] : cases) {
    make()->save(folder());
    change_json(change);
    try {
      Recommender::load(folder());
      ADD_FAILURE() << "accepted; expected " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << " lacks " << part;
    }
  }
  make()->save(folder());
  const std::string whole = text("model.json");
  for (const std::string& content :
       {std::string(), std::string("[]"), whole.substr(0, whole.size() / 2), std::string(5000, '['), std::string("\0\0", 2)}) {
    put("model.json", content);
    expect_refused(ErrorCode::kCorruptData, "model.json");
  }
  put("model.json", std::string(2 << 20, ' '));
  expect_refused(ErrorCode::kResource, "model.json");
}

TEST_F(ModelFilesTest, DamagedIdFiles) {
  make()->save(folder());
  const std::string users = text("users.jsonl");
  const std::string items = text("items.jsonl");
  const auto edit = [](std::string whole, const std::string& from, const std::string& to) {
    const size_t at = whole.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? whole : whole.replace(at, from.size(), to);
  };
  struct Case {
    const char* file;
    std::string content;
    const char* part;
  };
  const Case cases[] = {
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":\"1\"}"), "users.jsonl:2] user id 1 is repeated"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":2}"), "users.jsonl:2] id has the wrong type"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":\"\"}"), "users.jsonl:2] id has 0 bytes"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"name\":\"2\"}"), "users.jsonl:2] id is missing"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":\"2\""), "users.jsonl:2] expected a JSON object"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}\n", ""), "num_users"},
      {"users.jsonl", users + "{\"id\":\"new\"}\n", "num_users"},
      {"users.jsonl", users.substr(0, users.size() - 1), "cut off"},
      {"users.jsonl", "", "num_users"},
      {"users.jsonl", edit(users, "\"2\"", "\"" + std::string(300, 'a') + "\""), "id has 300 bytes"},
      {"items.jsonl", edit(items, "{\"id\":\"3\"", "{\"id\":\"2\""), "items.jsonl:3] item id 2 is repeated"},
      {"items.jsonl", edit(items, "\"genres\":[", "\"genres\":[1,"), "genres holds something that is no text"},
      {"items.jsonl", edit(items, "\"genres\":[", "\"styles\":["), "genres, expected a list"},
      {"items.jsonl", edit(items, "\"other\":{}", "\"other\":[]"), "other, expected an object"},
      {"items.jsonl", edit(items, "\"title\":", "\"titel\":"), "title is missing"},
      {"items.jsonl", edit(items, "\"year\":", "\"year\":\"x\",\"y\":"), "year has the wrong type"},
      {"items.jsonl", items.substr(0, items.size() / 2), "items.jsonl"},
  };
  for (const auto& c : cases) {
    make()->save(folder());
    put_with_digest(c.file, c.content);
    expect_refused(ErrorCode::kCorruptData, c.part);
  }
}

/// Changes bytes of a tensor's data in a safetensors file: 8-byte header length, header, data.
std::string patch_tensor(std::string file, const char* name, size_t offset, const void* bytes, size_t size) {
  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  const Json json = Json::parse(file.substr(8, header));
  const auto begin = json[name]["data_offsets"][0].get<size_t>();
  std::memcpy(file.data() + 8 + header + begin + offset, bytes, size);
  return file;
}

std::string patch_header(std::string file, const std::string& from, const std::string& to) {
  const size_t at = file.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? file : file.replace(at, from.size(), to);
}

TEST_F(ModelFilesTest, DamagedFactors) {
  make()->save(folder());
  const std::string whole = text("factors.safetensors");
  const float nan = NAN;
  const float infinity = INFINITY;
  const int32_t beyond = kItems;
  const int32_t negative = -1;
  const int64_t one = 1;
  const int64_t far = int64_t{1} << 60;
  int32_t first = 0;
  {
    uint64_t header = 0;
    std::memcpy(&header, whole.data(), 8);
    const Json json = Json::parse(whole.substr(8, header));
    std::memcpy(&first, whole.data() + 8 + header + json["rating_items"]["data_offsets"][0].get<size_t>(), 4);
  }
  struct Case {
    std::string content;
    const char* part;
  };
  const Case cases[] = {
      {patch_tensor(whole, "item_factors", 20, &nan, 4), "item_factors: value 5 is not finite"},
      {patch_tensor(whole, "user_factors", 0, &infinity, 4), "user_factors: value 0 is not finite"},
      {patch_tensor(whole, "item_bias", 4, &nan, 4), "item_bias"},
      {patch_tensor(whole, "user_bias", 4, &nan, 4), "user_bias"},
      {patch_tensor(whole, "rating_values", 4, &nan, 4), "rating_values"},
      {patch_tensor(whole, "rating_items", 4, &beyond, 4), "rating_items: value 1 is 120"},
      {patch_tensor(whole, "rating_items", 4, &negative, 4), "rating_items: value 1 is -1"},
      {patch_tensor(whole, "rating_items", 4, &first, 4), "twice"},
      {patch_tensor(whole, "rating_offsets", 0, &one, 8), "rating_offsets run from 1"},
      {patch_tensor(whole, "rating_offsets", 8, &far, 8), "rating_offsets fall"},
      {patch_tensor(whole, "rating_offsets", 8 * kUsers, &one, 8), "rating_offsets run"},
      {patch_header(whole, "[80,8]", "[8,80]"), "user_factors is F32 [8, 80], expected F32 [80, 8]"},
      {patch_header(whole, "\"user_bias\"", "\"user_bigs\""), "user_bias"},
      {patch_header(whole, "\"rating_times\"", "\"rating_timez\""), "rating_times is missing"},
      {patch_header(whole, "\"I64\"", "\"U64\""), "I64"},
      {whole.substr(0, whole.size() - 4), "factors.safetensors"},
      {whole.substr(0, 100), "factors.safetensors"},
      {"", "factors.safetensors"},
      {whole + "x", "factors.safetensors"},
  };
  for (const auto& c : cases) {
    make()->save(folder());
    put_with_digest("factors.safetensors", c.content);
    try {
      Recommender::load(folder());
      ADD_FAILURE() << "accepted; expected " << c.part;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kNotFound) << error.what();
      EXPECT_NE(std::string(error.what()).find(c.part), std::string::npos) << error.what() << " lacks " << c.part;
    }
  }
  make()->save(folder());
  put("factors.safetensors", patch_tensor(whole, "item_factors", 20, &infinity, 4));  // without the digest
  expect_refused(ErrorCode::kCorruptData, "digest");
}

TEST_F(ModelFilesTest, EveryCutOfSmallFilesIsRefused) {
  make()->save(folder());
  for (const char* file : {"model.json", "users.jsonl"}) {
    const std::string whole = text(file);
    for (size_t length = 0; length + 1 < whole.size(); length += 7) {
      put(file, whole.substr(0, length));
      EXPECT_THROW(Recommender::load(folder()), Error) << file << " cut at " << length;
    }
    put(file, whole);
  }
  EXPECT_NO_THROW(Recommender::load(folder()));
}

TEST_F(ModelFilesTest, SavingToABadPlaceIsAnIoError) {
  std::ofstream(root_ / "file") << "x";
  try {
    make()->save(root_ / "file" / "model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
  }
}

}  // namespace
}  // namespace attune::people
