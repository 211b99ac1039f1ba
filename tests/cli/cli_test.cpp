// The real binary: exit codes, results on stdout, errors in one line on stderr, the JSON that scripts rely on.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/rng.h"

namespace attune {
namespace {

using nlohmann::json;

struct Result {
  int code;
  std::string out;
  std::string err;
};

/// Runs "attune ARGUMENTS" through the shell.
Result run(const std::string& arguments, const std::string& input = "") {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-cli-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  write_file_atomic(folder / "in", input);
  const std::string command = std::string(ATTUNE_BINARY) + " " + arguments + " <" + (folder / "in").string() + " >" +
                              (folder / "out").string() + " 2>" + (folder / "err").string();
  const int status = std::system(command.c_str());
  Result result{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder / "out"), read_file(folder / "err")};
  std::filesystem::remove_all(folder);
  return result;
}

std::string tiny() { return std::string(ATTUNE_SOURCE_DIR) + "/data/tiny.gguf"; }
std::string real() { return std::string(ATTUNE_SOURCE_DIR) + "/models/gemma-3-270m-q4_k_m.gguf"; }

TEST(Cli, UsageErrorsExitWithTwo) {
  for (const char* bad : {"", "frobnicate", "generate --frobnicate", "generate -n 0", "generate -n x", "generate --temp nan",
                          "generate --top-p 2", "generate --compute f64", "learn", "generate -n"}) {
    const auto result = run(bad);
    EXPECT_EQ(result.code, 2) << bad;
    EXPECT_TRUE(result.out.empty()) << bad;
    EXPECT_FALSE(result.err.empty()) << bad;
  }
}

TEST(Cli, FailuresExitWithOneAndOneLine) {
  for (const std::string& bad :
       {std::string("generate -m /absent.gguf -p x"), std::string("inspect /absent.gguf"),
        "generate -m " + tiny() + " -p x --stop a --stop b --stop c --stop d --stop e", "perplexity -m " + tiny() + " -p ''"}) {
    const auto result = run(bad);
    EXPECT_EQ(result.code, 1) << bad << result.err;
    EXPECT_TRUE(result.out.empty()) << bad;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.err.rfind("attune: ", 0), 0u) << result.err;
  }
}

TEST(Cli, HelpAndVersionExitWithZero) {
  EXPECT_EQ(run("--version").out.rfind("attune ", 0), 0u);
  const auto help = run("generate --help");
  EXPECT_EQ(help.code, 0);
  for (const char* part : {"--top-k", "--temp", "Examples:", "ATTUNE_SEED"}) EXPECT_NE(help.out.find(part), std::string::npos) << part;
  EXPECT_NE(run("docs").out.find("## attune generate"), std::string::npos);
}

TEST(Cli, EnvJson) {
  const json report = json::parse(run("env --json").out);
  for (const char* key : {"version", "compiler", "isa", "isas", "cpu", "cores", "paths"}) EXPECT_TRUE(report.contains(key)) << key;
  const auto forced = run("env --json; ATTUNE_ISA=scalar " + std::string(ATTUNE_BINARY) + " env --json");
  EXPECT_NE(forced.out.find("\"isa\":\"scalar\""), std::string::npos);
}

TEST(Cli, GenerateJson) {
  const auto result = run("generate -m " + tiny() + " -p 'hello' -n 8 --greedy --ignore-eos --compute f32 --json");
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_EQ(report["ids"].size(), 8u);
  EXPECT_EQ(report["prompt_ids"][0], 2);
  EXPECT_GT(report["timings"]["predicted_tokens_per_second"].get<double>(), 0);
  EXPECT_EQ(run("generate -m " + tiny() + " -n 5 --seed 3 -f -", "hello").out,
            run("generate -m " + tiny() + " -p hello -n 5 --seed 3").out);
}

// 2 G E b P (num_global pages + num_local min(pages, slots)) of data/tiny: 5 local layers with rings of ceil(71 / 32) + 1 = 4 pages, one
// global layer, G E = 32 values in 64 or 34 bytes.
TEST(Cli, MemoryOfKeysAndValuesIsTheFormula) {
  const json file = json::parse(run("inspect " + tiny() + " --json").out);
  const auto formula = [](int64_t length, int64_t bytes) {
    const int64_t pages = (length + 31) / 32;
    return 2 * bytes * 32 * (pages + 5 * std::min<int64_t>(pages, 4));
  };
  EXPECT_EQ(file["kv_bytes"], json({{"f16", {{"1024", formula(1024, 64)}, {"4096", formula(4096, 64)}}},
                                    {"q8_0", {{"1024", formula(1024, 34)}, {"4096", formula(4096, 34)}}}}));
  for (const auto& [type, bytes] : {std::pair{"f16", 64}, {"q8_0", 34}}) {
    const json out = json::parse(
        run("generate -m " + tiny() + " -p 'hello world' -n 300 --greedy --ignore-eos --json --kv-type " + std::string(type)).out);
    const auto length = static_cast<int64_t>(out["prompt_ids"].size() + out["ids"].size()) - 1;  // the last token is not computed
    EXPECT_EQ(out["kv_bytes"], formula(length, bytes)) << length;
  }
  const Path other = std::filesystem::temp_directory_path() / ("attune-cli-other-" + std::to_string(::getpid()) + ".gguf");
  write_file_atomic(other, std::string("GGUF\3\0\0\0", 8) + std::string(16, '\0'));  // no tensor, no key
  EXPECT_EQ(json::parse(run("inspect " + other.string() + " --json").out).count("kv_bytes"), 0u);
  std::filesystem::remove(other);
}

TEST(Cli, PerplexityJson) {
  const json report = json::parse(run("perplexity -m " + tiny() + " -p 'hello world, hello' --compute f32 --json").out);
  EXPECT_NEAR(std::log(report["perplexity"].get<double>()), report["nll"].get<double>(), 1e-9);
  EXPECT_GT(report["tokens"].get<int>(), 3);
}

TEST(Cli, ReproduceSpeaksTheContract) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-reproduce-" + std::to_string(::getpid()));
  const auto result = run("reproduce soft-attributes --quick --seeds 2 --only C4 --only C7b --json --output " + folder.string());
  ASSERT_EQ(result.code, 0) << result.err;
  const auto measured = json::parse(result.out.substr(0, result.out.find('\n')));
  EXPECT_EQ(measured["claim"], "C4");
  EXPECT_TRUE(measured["holds"].is_boolean());
  EXPECT_GT(measured["value"], 0);
  EXPECT_EQ(measured["seeds"], 2);
  const auto not_run = json::parse(result.out.substr(result.out.find('\n') + 1));
  EXPECT_TRUE(not_run["holds"].is_null());
  EXPECT_NE(not_run["note"].get<std::string>().find("not run: "), std::string::npos);
  EXPECT_EQ(read_file(folder / "results.jsonl"), result.out);
  EXPECT_TRUE(std::filesystem::exists(folder / "table.md"));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(run("reproduce").code, 2);
  EXPECT_EQ(run("reproduce nothing").code, 2);
  EXPECT_EQ(run("reproduce soft-attributes --only C99").code, 1);
  EXPECT_EQ(run("reproduce soft-attributes --seeds 1").code, 1);
}

TEST(Cli, ChatReadsLinesAndLeaves) {
  const auto result = run("chat -m " + tiny() + " -n 4 --seed 1", "hello\n\"\"\"two\nlines\"\"\"\n/clear\n/nothing\n/bye\nnever read\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("base model"), std::string::npos);
  EXPECT_NE(result.err.find("Unknown command"), std::string::npos);
}

// A message that the context cannot hold is refused, and the conversation goes on without it.
TEST(Cli, ChatSurvivesAFullContext) {
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "word ";
  const auto result = run("chat -m " + tiny() + " -n 4 --seed 1", words + "\nhello\n/clear\nhello\n/bye\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("the context holds 4096; /clear starts anew"), std::string::npos) << result.err;
  const auto only = run("chat -m " + tiny() + " -n 4 --seed 1", "hello\n/bye\n");
  EXPECT_EQ(result.out.rfind(only.out, 0), 0u) << result.out << " | " << only.out;
  // The context would hold it, the memory does not: 4,096 positions in F32 take 1.2 MB.
  const auto small =
      run("chat -m " + tiny() + " -n 4 --seed 1 --kv-type f32 --kv-memory-mib 1", words.substr(0, 5 * 1290) + "\nhello\n/bye\n");
  EXPECT_EQ(small.code, 0) << small.err;
  EXPECT_NE(small.err.find("(--kv-memory-mib); a new conversation starts."), std::string::npos) << small.err;
  EXPECT_EQ(small.out, run("chat -m " + tiny() + " -n 4 --seed 1 --kv-type f32", "hello\n/bye\n").out);
}

TEST(Cli, RealModelSpeaksTheContract) {
  if (!std::filesystem::exists(real())) GTEST_SKIP() << "the default model is absent: run scripts/bootstrap.sh";
  const json tokens = json::parse(run("tokenize -m " + real() + " -p 'Hello world' --json").out);
  EXPECT_EQ(tokens["ids"], (std::vector<int>{2, 9259, 1902}));
  const json text = json::parse(run("generate -m " + real() + " -p 'The capital of France is' -n 4 --greedy --compute f32 --json").out);
  EXPECT_EQ(text["prompt_ids"], (std::vector<int>{2, 818, 5279, 529, 7001, 563}));
  EXPECT_EQ(text["ids"], (std::vector<int>{506, 5279, 529, 506}));
  const json file = json::parse(run("inspect " + real() + " --json").out);
  EXPECT_EQ(file["num_tensors"], 236);
}

/// A folder as PEFT writes it: rank 1, on the first layer's q_proj [128, 64] of data/tiny, all entries of A and B the same.
void write_adapter(const Path& folder, float b) {
  std::filesystem::create_directories(folder);
  write_file_atomic(folder / "adapter_config.json",
                    R"({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "bias": "none", "target_modules": ["q_proj"]})");
  std::string header =
      R"({"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":[1,64],"data_offsets":[0,256]},)"
      R"("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight":{"dtype":"F32","shape":[128,1],"data_offsets":[256,768]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t size = header.size();
  std::string file(reinterpret_cast<const char*>(&size), 8);
  file += header;
  for (int i = 0; i < 64 + 128; ++i) {
    const float value = i < 64 ? 1.0f - static_cast<float>(i % 3) : b;
    file.append(reinterpret_cast<const char*>(&value), 4);
  }
  write_file_atomic(folder / "adapter_model.safetensors", file);
}

TEST(Cli, AdaptersChangeWhatTheModelSays) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-cli-lora-" + std::to_string(::getpid()));
  write_adapter(folder / "none", 0);
  write_adapter(folder / "much", 3);
  for (const std::string& verb : {std::string("generate -m " + tiny() + " -p 'hello world' -n 24 --greedy --ignore-eos"),
                                  std::string("perplexity -m " + tiny() + " -p 'hello world, hello world' --json"),
                                  std::string("embed -m " + tiny() + " -p hello")}) {
    const auto base = run(verb);
    ASSERT_EQ(base.code, 0) << base.err;
    const auto none = run(verb + " --lora " + (folder / "none").string()), much = run(verb + " --lora " + (folder / "much").string());
    EXPECT_EQ(none.out, base.out) << none.err;
    EXPECT_EQ(much.code, 0) << much.err;
    EXPECT_NE(much.out, base.out) << verb;
    const auto absent = run(verb + " --lora /absent");
    EXPECT_EQ(absent.code, 1);
    EXPECT_NE(absent.err.find("adapter_config.json"), std::string::npos) << absent.err;
    EXPECT_EQ(std::count(absent.err.begin(), absent.err.end(), '\n'), 1) << absent.err;
  }
  EXPECT_EQ(run("chat -m " + tiny() + " -n 2 --lora " + (folder / "much").string(), "hello\n/bye\n").code, 0);
  std::filesystem::remove_all(folder);
}

TEST(Cli, ConvertAndQuantizeMakeModelsThatGenerate) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-cli-models-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string checkpoint = (folder / "tiny").string(), file = (folder / "tiny.gguf").string(),
                    small = (folder / "small.gguf").string();
  write_file_atomic(folder / "text", "the time of the house");
  const auto generated = [](const std::string& model) {
    return run("generate -m " + model + " -p 'the time' -n 8 --greedy --compute f32 --json").out;
  };
  const auto ids = [&](const std::string& model) { return json::parse(generated(model)).at("ids"); };

  const auto to_folder = run("convert " + tiny() + " " + checkpoint + " --json");
  ASSERT_EQ(to_folder.code, 0) << to_folder.err;
  EXPECT_EQ(json::parse(to_folder.out).at("types"), json({{"BF16", 1}, {"F16", 1}, {"F32", 78}}));
  EXPECT_EQ(ids(checkpoint), ids(tiny()));
  ASSERT_EQ(run("convert " + checkpoint + " " + file).code, 0);
  EXPECT_EQ(ids(file), ids(tiny()));

  const auto again = run("convert " + checkpoint + " " + file);
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("--force"), std::string::npos) << again.err;
  EXPECT_EQ(run("convert " + file).code, 2);
  EXPECT_EQ(run("convert " + file + " x.gguf --dtype q8_0").code, 2);

  const auto report = run("quantize " + file + " " + small + " --type q4_k_m --tensor 'blk.0.attn_?.weight=Q8_0' --json --perplexity " +
                          (folder / "text").string());
  ASSERT_EQ(report.code, 0) << report.err;
  const auto out = json::parse(report.out);
  EXPECT_EQ(out.at("types").at("F32"), 37);
  EXPECT_EQ(out.at("tensors").size(), 80u);
  EXPECT_GT(out.at("perplexity").at("after").get<double>(), 1);
  EXPECT_LT(out.at("bytes").get<double>(), out.at("bytes_before").get<double>() / 3);
  EXPECT_FALSE(generated(small).empty());
  const auto text = run("quantize " + file + " " + small + " --type Q8_0 --force");
  EXPECT_NE(text.out.find("bits a weight"), std::string::npos) << text.out << text.err;
  std::filesystem::remove_all(folder);
}

/// The JSON objects of an output, one a line.
std::vector<json> lines(const std::string& text) {
  std::vector<json> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    out.push_back(json::parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

TEST(Cli, AttributesAreLearnedAndCriticised) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-cli-critique-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string model = (folder / "model").string(), store = (folder / "events.db").string();
  const std::string where = " --recommender " + model + " --store " + store;
  ASSERT_EQ(run("learn ratings generated --no-compare --no-attributes --out " + model).code, 0);
  const auto none = run("critique --user 1" + where, "list\n");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("run `attune learn attributes`"), std::string::npos) << none.err;

  const auto learned = run("learn attributes --json --tag-min-items 60 --recommender " + model);
  ASSERT_EQ(learned.code, 0) << learned.err;
  const auto words = lines(learned.out);
  EXPECT_EQ(words[0].at("source"), "genres");
  EXPECT_GT(words.back().at("num_skipped").get<int>(), 0);
  EXPECT_GT(words.back().at("attributes").get<int>(), 5);
  EXPECT_NE(learned.err.find("too few examples"), std::string::npos) << learned.err;
  EXPECT_NE(learned.err.find("genres in the place of tags"), std::string::npos) << learned.err;

  const auto list = [&](const std::string& user) { return json::parse(run("recommend --json --user " + user + where).out).at("items"); };
  const json before = list("1");
  const auto once = run("critique --user 1 --attribute Drama --less --json" + where);
  ASSERT_EQ(once.code, 0) << once.err;
  const json reply = json::parse(once.out);
  EXPECT_EQ(reply.at("attribute"), "drama");
  EXPECT_LT(reply.at("after").at("mean_degree"), reply.at("before").at("mean_degree"));
  EXPECT_EQ(reply.at("before").at("items")[0].at("item"), before[0].at("item"));
  const json moved = list("1");  // what the server would say, too
  for (size_t k = 0; k < moved.size(); ++k) EXPECT_EQ(reply.at("after").at("items")[k].at("item"), moved[k].at("item"));

  const auto session =
      run("critique --user 1 --json" + where,
          "more comedy\n\n  less   drama \nless nothing\nwhat\nmore\nattributes\nlist\nundo\nundo\nundo\nundo\nquit\nmore drama\n");
  EXPECT_EQ(session.code, 0) << session.err;
  const auto said = lines(session.out);
  EXPECT_EQ(said[0].at("direction"), "more");
  EXPECT_EQ(said[1].at("attribute"), "drama");
  EXPECT_EQ(said[1].at("trajectory").size(), 3u);
  for (size_t k = 2; k < 5; ++k) EXPECT_TRUE(said[k].contains("error")) << said[k];
  EXPECT_TRUE(said[5].contains("taste"));
  const size_t last = said.size() - 1;
  EXPECT_NE(said[last].at("error").get<std::string>().find("nothing to take back"), std::string::npos);
  for (size_t k = last - 3; k < last; ++k) EXPECT_TRUE(said[k].contains("undone")) << said[k];  // also that of the earlier run
  EXPECT_EQ(list("1"), before);

  const auto text = run("critique --user somebody-new" + where, "more drama\nattributes\nhelp\n- drama\nlist");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("more drama: mean "), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("|"), std::string::npos);
  EXPECT_NE(text.out.find("less drama"), std::string::npos);
  for (const char* bad : {"--more", "--attribute drama", "--attribute drama --more --less", "--item 5",
                          "--attribute drama --more --item nothing", "--attribute nothing --more"}) {
    const auto refused = run("critique --user 1 " + std::string(bad) + where);
    EXPECT_EQ(refused.code, 1) << bad;
    EXPECT_TRUE(refused.out.empty()) << bad;
  }
  EXPECT_EQ(run("critique --user 1 --attribute drama --more --update newton" + where).code, 2);
  EXPECT_EQ(run("critique").code, 2);
  EXPECT_EQ(run("learn attributes --recommender /absent").code, 1);
  EXPECT_EQ(run("learn attributes --no-genres --recommender " + model).code, 1);
  EXPECT_EQ(run("learn attributes --judgements /absent.csv --recommender " + model).code, 1);
  std::filesystem::remove_all(folder);
}

TEST(Cli, MoodsAreLearnedAndListsFollowThem) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-cli-moods-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string model = (folder / "model").string();
  const std::string where = " --recommender " + model + " --store " + (folder / "events.db").string();
  ASSERT_EQ(run("learn ratings generated --no-compare --no-attributes --no-moods --out " + model).code, 0);
  const auto none = run("recommend --user 1 --policy latent_ts" + where);
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("attune learn bandit --recommender"), std::string::npos) << none.err;
  ASSERT_EQ(run("learn bandit --moods 5 --recommender " + model).code, 0);
  const auto seen = run("recommend --json --mood --user 1 -k 3 --policy latent_ts --seed 4" + where);
  ASSERT_EQ(seen.code, 0) << seen.err;
  const auto said = lines(seen.out);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].at("policy"), "latent_ts");
  EXPECT_EQ(said[0].at("items").size(), 3u);
  double sum = 0;
  for (const auto& state : said[1].at("states")) sum += state.at("probability").get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_EQ(said[1].at("states").size(), 5u);
  const double propensity = said[0].at("decision").at("propensity").get<double>();
  EXPECT_GT(propensity, 0);
  EXPECT_LE(propensity, 1 + 1e-12);
  EXPECT_EQ(run("recommend --json --mood --user 1 -k 3 --policy latent_ts --seed 4" + where).out, seen.out);
  EXPECT_NE(run("recommend --user 1 --mood" + where).out.find("in the mood for, after "), std::string::npos);
  EXPECT_EQ(run("recommend --user 1 --policy best" + where).code, 2);
  std::filesystem::remove_all(folder);
}

/// Users of three states with arms 0 to 5 drawn uniformly; propensities times `factor`.
std::string bandit_log(double factor) {
  Rng rng(7, "bandit_log");
  std::string out;
  for (int u = 0; u < 60; ++u) {
    uint64_t z = rng.below(3);
    for (int t = 0; t < 60; ++t) {
      if (rng.uniform() < 0.05) z = rng.below(3);
      const uint64_t arm = rng.below(6);
      const double reward = (arm % 3 == z ? 0.9 : 0.2) + 0.3 * rng.normal();
      out += json{{"user", u}, {"time", t}, {"action", arm}, {"propensity", factor / 6}, {"reward", reward}}.dump() + "\n";
    }
  }
  return out;
}

TEST(Cli, BanditsAreLearnedFromLogsAndEvaluated) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-cli-bandit-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string log = (folder / "log.jsonl").string(), model = (folder / "bandit.json").string();
  write_file_atomic(log, bandit_log(1) + "{\"user\": 1, \"time\": 1, \"action\": 0, \"propensity\": 0}\n");

  const auto learned = run("learn bandit " + log + " --choose held_out --most-states 4 --restarts 3 --json -o " + model);
  ASSERT_EQ(learned.code, 0) << learned.err;
  const json summary = json::parse(learned.out);
  EXPECT_EQ(summary.at("num_states"), 3);
  EXPECT_EQ(summary.at("choice").size(), 4u);
  EXPECT_EQ(summary.at("log").at("bad_lines"), 1);
  EXPECT_TRUE(summary.at("converged"));
  EXPECT_NE(learned.err.find("propensity: expected above 0, at most 1, found 0"), std::string::npos) << learned.err;
  const json file = json::parse(read_file(model));
  EXPECT_EQ(file.at("version"), summary.at("version"));
  EXPECT_EQ(file.at("record").at("source"), "log.jsonl");
  EXPECT_NE(run("learn bandit " + log + " -z 2 --transition sticky -o " + (folder / "other.json").string()).out.find("| 1 | "),
            std::string::npos);

  const auto evaluated = run("eval bandit " + log + " --policy greedy --json -m " + model);
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const json report = json::parse(evaluated.out);
  for (const char* name : {"logged", "direct", "ips", "snips", "dr", "trajectory", "replay", "window_ips", "decay_ips"}) {
    EXPECT_TRUE(report.at("estimates").at(name).contains("ess")) << name;
  }
  EXPECT_EQ(report.at("model"), summary.at("version"));
  EXPECT_TRUE(report.at("alarms").empty()) << report;
  const json& dr = report.at("estimates").at("dr");
  EXPECT_GT(dr.at("low"), report.at("estimates").at("logged").at("high"));
  EXPECT_GT(dr.at("value"), 0.7);
  for (const char* policy : {"mts", "mmts-greedy --particles 10 --draws 1", "uniform", "logged", "ucb1", "mucb"}) {
    EXPECT_NE(run("eval bandit " + log + " -m " + model + " --policy " + policy).out.find("| dr |"), std::string::npos) << policy;
  }

  write_file_atomic(log, bandit_log(0.5));
  const json halved = json::parse(run("eval bandit " + log + " --policy mts --json -m " + model).out);
  EXPECT_NE(halved.at("alarms").dump().find("propensities do not fit"), std::string::npos) << halved;
  EXPECT_NE(halved.at("alarms").dump().find("effective sample size"), std::string::npos) << halved;
  EXPECT_NE(run("eval bandit " + log + " -m " + model).out.find("ALARM: "), std::string::npos);

  for (const std::string& bad : {"eval bandit " + log + " -m " + model + " --policy nonsense", "eval bandit " + log + " -m /absent.json",
                                 "eval bandit /absent.jsonl -m " + model, "eval bandit " + log + " -m " + log,
                                 "learn bandit /absent.jsonl -o " + model, "learn bandit " + log + " --reward bernoulli -o " + model,
                                 "learn bandit " + model + " -o " + model, "learn bandit " + log + " -o /absent/folder/x.json"}) {
    const auto result = run(bad);
    EXPECT_EQ(result.code, 1) << bad;
    EXPECT_TRUE(result.out.empty()) << bad;
    EXPECT_NE(result.err.find("attune: "), std::string::npos) << bad;
  }
  const auto nothing = run("learn bandit");
  EXPECT_EQ(nothing.code, 1);
  EXPECT_NE(nothing.err.find("either a log or --recommender"), std::string::npos) << nothing.err;
  EXPECT_EQ(run("eval bandit " + log + " --level 2").code, 2);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace attune
