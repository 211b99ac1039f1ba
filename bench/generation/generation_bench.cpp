// Our side of the generation benchmark: one piece of work in this process, one line of JSON on stdout.
//
//   generation_bench --mode decode --sequences 8 --prompt 128 --predict 64     (see --help)
//   generation_bench --mode probe      one line of JSON for each line on stdin: the machine's read bandwidth now
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/program.h"
#include "bench/generation/limits.h"
#include "bench/generation/step_cost.h"
#include "bench/generation/workloads.h"
#include "core/error.h"
#include "core/file.h"
#include "kernels/probe.h"

namespace attune::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string mode = "decode";
  std::string model;
  std::string prompt_file;
  Workload work;
  lm::EngineOptions engine;
  int64_t probe_mib = 256;
  bool help = false;

  void describe(OptionList& list) {
    list.add("mode", mode,
             "decode, prefill, beside (steps of decoding while a prompt is computed), profile (where a step's time goes), limits, or probe "
             "(answers lines on stdin).")
        .choices({"decode", "prefill", "beside", "profile", "limits", "probe"});
    list.add("model", model, "A .gguf file.");
    list.add("prompt_file", prompt_file, "Text whose first tokens are the prompt.");
    list.add("sequences", work.sequences, "Sequences decoding at once.").range(1, 4096);
    list.add("prompt", work.prompt, "Tokens of the prompt.").range(2, 1 << 20);
    list.add("predict", work.predict, "Tokens that each sequence generates.").range(1, 1 << 20);
    list.add("seed", work.seed, "Seed of the random streams.");
    list.add("probe_mib", probe_mib, "Memory that the bandwidth probe reads.").range(1, 1 << 16).unit("MiB");
    list.add("help", help, "Show the options.");
    work.sampler.describe(list);
    engine.describe(list);
  }
};

Json machine(const lm::Engine& engine, const Options& options) {
  return {{"isa", kernels::isa_name(kernels::ops().isa)},
          {"threads", options.engine.threads > 0 ? options.engine.threads : usable_cores()},
          {"compute", options.engine.compute},
          {"cpu", kernels::cpu_model()},
          {"model", engine.model().name()},
          {"weight_bytes", engine.model().weight_bytes()},
          {"huge_page_kib", lm::Arena::huge_page_kib()}};
}

Json describe_timing(const Timing& t) {
  Json out = {{"seconds", t.seconds},
              {"tokens", t.tokens},
              {"tokens_per_second", static_cast<double>(t.tokens) / t.seconds},
              {"steps", t.steps},
              {"rows", t.rows}};
  if (!t.step_seconds.empty()) {
    auto sorted = t.step_seconds;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double share) { return 1e3 * sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]; };
    out["step_ms"] = {{"p10", at(0.1)}, {"median", at(0.5)}, {"p90", at(0.9)}, {"max", at(1)}};
  }
  return out;
}

Json describe_cost(const StepCost& c) {
  return {
      {"bytes_per_step", c.bytes()}, {"macs_per_step", c.macs()},  {"layer_bytes", c.layer_bytes}, {"head_bytes", c.head_bytes},
      {"kv_bytes", c.kv_bytes},      {"layer_macs", c.layer_macs}, {"head_macs", c.head_macs},     {"attention_macs", c.attention_macs}};
}

double median_ms(const Timing& t) {
  auto copy = t.step_seconds;
  return 1e3 * median_of(copy.data(), static_cast<int>(copy.size()));
}

Json run_decode(lm::Engine& engine, const std::vector<int32_t>& prompt, const Options& options) {
  Workload warm_up = options.work;
  warm_up.predict = std::min<int64_t>(4, warm_up.predict);
  decode(engine, prompt, warm_up);
  Json out = describe_timing(decode(engine, prompt, options.work));
  out.update(describe_cost(step_cost(engine, options.work.sequences, options.work.sequences, options.work.prompt + options.work.predict / 2,
                                     screens_head(engine, options.work.sampler))));
  return out;
}

Json run_prefill(lm::Engine& engine, const std::vector<int32_t>& prompt) {
  prefill(engine, prompt);
  const Timing timing = prefill(engine, prompt);
  Json out = describe_timing(timing);
  StepCost cost = step_cost(engine, timing.tokens, 1, (timing.tokens + 1) / 2, true);
  cost.kv_bytes = static_cast<double>(engine.model().config().kv_bytes(timing.tokens, engine.compute() == lm::Compute::kFast ? 2 : 4));
  out.update(describe_cost(cost));
  return out;
}

Json run_beside(lm::Engine& engine, const std::vector<int32_t>& ids, const Options& options) {
  Workload warm_up = options.work;
  warm_up.prompt = 256;
  beside(engine, ids, warm_up);
  Json out = describe_timing(beside(engine, ids, options.work));
  out["max_step_ms"] = options.engine.max_step_ms;
  return out;
}

Json run_limits(const Options& options) {
  ThreadPool pool(options.engine.threads);
  BandwidthProbe probe(pool, options.probe_mib << 20);
  const double bandwidth = probe.bytes_per_second(15);
  return {{"isa", kernels::isa_name(kernels::ops().isa)},
          {"cpu", kernels::cpu_model()},
          {"threads", pool.num_threads()},
          {"read_bytes_per_second", bandwidth},
          {"int8_macs_per_second", int8_macs_per_second(pool, 9)}};
}

/// Where a step's time goes, by differences of whole pieces of work: layers alone, and steps under three samplers.
Json run_profile(lm::Engine& engine, const std::vector<int32_t>& prompt, const Options& options) {
  const Json limits = run_limits(options);
  Workload work = options.work;
  layers_only(engine, prompt, work.sequences, 4);
  const double layers_ms = median_ms(layers_only(engine, prompt, work.sequences, 24));
  Json samplers;
  for (const auto& [name, sampler] : std::vector<std::pair<std::string, lm::SamplerOptions>>{
           {"greedy", {.temperature = 0}}, {"top-k 64", {.top_k = 64, .top_p = 0.95}}, {"full", {.top_k = 0, .top_p = 1}}}) {
    work.sampler = sampler;
    const double step_ms = median_ms(decode(engine, prompt, work));
    samplers[name] = {{"step_ms", step_ms}, {"head_and_sampling_ms", step_ms - layers_ms}};
  }
  const StepCost cost = step_cost(engine, work.sequences, work.sequences, work.prompt + work.predict / 2, false);
  const double bandwidth = limits["read_bytes_per_second"], macs = limits["int8_macs_per_second"];
  Json out = {{"sequences", work.sequences}, {"layers_ms", layers_ms}, {"samplers", samplers}};
  out["limits"] = limits;
  out["least_ms"] = {{"layers_by_bytes", 1e3 * (cost.layer_bytes + cost.kv_bytes) / bandwidth},
                     {"head_by_bytes", 1e3 * cost.head_bytes / bandwidth},
                     {"layers_by_macs", 1e3 * (cost.layer_macs + cost.attention_macs) / macs},
                     {"head_by_macs", 1e3 * cost.head_macs / macs}};
  out["phases_ms"] = Json::object();  // filled when the forward pass has timers of its own
  out.update(describe_cost(cost));
  return out;
}

void answer_probes(const Options& options) {
  ThreadPool pool(options.engine.threads);
  BandwidthProbe probe(pool, options.probe_mib << 20);
  probe.bytes_per_second(2);
  for (std::string line; std::getline(std::cin, line);) {
    const Json out = {{"read_bytes_per_second", probe.bytes_per_second(11)}, {"huge_page_kib", lm::Arena::huge_page_kib()}};
    std::cout << out.dump() << std::endl;
  }
}

Json run_model(const Options& options) {
  check(!options.model.empty() && !options.prompt_file.empty(), ErrorCode::kInvalidArgument, "[bench] mode ", options.mode,
        " needs --model and --prompt_file");
  const auto model = lm::Model::load(options.model);
  const int64_t needed = options.mode == "beside" ? std::min<int64_t>(512, options.work.prompt) : options.work.prompt;
  const auto prompt = first_tokens(*model, read_file(options.prompt_file, 1 << 26), needed);
  lm::EngineOptions engine_options = options.engine;
  engine_options.prefix_cache_mib = 0;  // the warm-up must not compute the measured prompt
  lm::Engine engine(model, engine_options);
  Json out = {{"mode", options.mode}};
  if (options.mode == "decode") out.update(run_decode(engine, prompt, options));
  if (options.mode == "prefill") out.update(run_prefill(engine, prompt));
  if (options.mode == "beside") out.update(run_beside(engine, prompt, options));
  if (options.mode == "profile") out.update(run_profile(engine, prompt, options));
  out.update(machine(engine, options));
  return out;
}

int run(int argc, char** argv) {
  Options options;
  OptionList list;
  options.describe(list);
  parse_options(list, argc, argv);
  if (options.help) {
    std::cout << list.markdown();
  } else if (options.mode == "probe") {
    answer_probes(options);
  } else {
    std::cout << (options.mode == "limits" ? run_limits(options) : run_model(options)).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace attune::bench

int main(int argc, char** argv) { return attune::bench::run_program("generation_bench", attune::bench::run, argc, argv); }
