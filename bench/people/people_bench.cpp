// Our side of the people benchmark: one piece of work in this process, one line of JSON on stdout.
//
//   people_bench --mode generate --ratings 1000000 --data DIR      a matrix of MovieLens 25M's shape and a random start, as raw arrays
//   people_bench --mode als --data DIR --solver cg --epochs 3      seconds of each epoch, the loss, the peak memory
//   people_bench --mode update --data DIR                          microseconds of an incremental update of one user
//   people_bench --mode cav --data DIR [--cross_validate true]     seconds of 1,000 concept activation vectors; writes examples and directions
//   people_bench --mode critique                                   milliseconds of a critique step over 60,000 items
//   people_bench --mode movielens --path datasets/ml-100k          milliseconds of an epoch on a data set as it comes
#include <sys/resource.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/people/arrays.h"
#include "bench/people/attribute_modes.h"
#include "bench/people/shape.h"
#include "bench/program.h"
#include "core/error.h"
#include "core/options.h"
#include "core/progress.h"
#include "data/read.h"
#include "people/als.h"

namespace attune::bench {
namespace {

struct Options {
  std::string mode = "als";
  std::string data;
  std::string path = "datasets/ml-100k";
  std::string solver = "cg";
  int64_t ratings = 1000000;
  int32_t rank = 64;
  int32_t epochs = 3;
  int32_t threads = 2;
  double lambda = 0.01;
  int32_t cavs = 1000;
  bool cross_validate = false;
  bool loss = true;
  bool help = false;

  void describe(OptionList& list) {
    list.add("mode", mode, "What is measured.").choices({"generate", "als", "update", "movielens", "cav", "critique"});
    list.add("data", data, "Folder of the arrays that --mode generate or cav writes.");
    list.add("path", path, "MovieLens folder for --mode movielens.");
    list.add("solver", solver, "cg (3 steps) or cholesky.").choices({"cg", "cholesky"});
    list.add("ratings", ratings, "Ratings to generate; 25000095 is MovieLens 25M's shape.").range(2000, 100000000);
    list.add("rank", rank, "Dimension of the factors.").range(1, 1024);
    list.add("epochs", epochs, "Sweeps over users and items.").range(1, 1000);
    list.add("cavs", cavs, "Attributes of --mode cav.").range(1, 100000);
    list.add("cross_validate", cross_validate, "Whether --mode cav chooses C by cross-validation.");
    list.add("threads", threads, "Threads.").range(1, 1024);
    list.add("lambda", lambda, "L2 regularisation.").range(1e-9, 1e9);
    list.add("loss", loss, "Whether the loss after the last epoch is computed.");
    list.add("help", help, "Show the options.");
  }
};

int64_t peak_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{1024} * usage.ru_maxrss;
}

/// The same start for both sides: uniform in [0, 0.01), as `implicit` draws its own.
std::vector<float> random_start(int64_t rows, int rank, const char* name) {
  Rng rng(1, name);
  std::vector<float> out(static_cast<size_t>(rows * rank));
  for (auto& v : out) v = static_cast<float>(0.01 * rng.uniform());
  return out;
}

Json generate(const Options& o) {
  ThreadPool pool(o.threads);
  const auto start = Clock::now();
  const ShapeOptions shape = o.ratings == ShapeOptions{}.num_ratings ? ShapeOptions{} : shape_of(o.ratings);
  const auto matrix = generate_ratings(shape, pool);
  const Path folder = o.data;
  std::filesystem::create_directories(folder);
  write_array(folder / "offsets.i64", matrix.offsets);
  write_array(folder / "items.i32", matrix.items);
  write_array(folder / "ratings.f32", matrix.ratings);
  write_array(folder / "start_users.f32", random_start(matrix.num_users, o.rank, "start users"));
  write_array(folder / "start_items.f32", random_start(matrix.num_items, o.rank, "start items"));
  std::vector<int64_t> count(static_cast<size_t>(matrix.num_items), 0);
  for (const int32_t i : matrix.items) ++count[i];
  std::sort(count.begin(), count.end());
  return {{"ratings", o.ratings},
          {"users", matrix.num_users},
          {"items", matrix.num_items},
          {"most_of_an_item", count.back()},
          {"median_of_an_item", count[count.size() / 2]},
          {"seconds", seconds_since(start)}};
}

people::RatingMatrix load(const Path& folder) {
  people::RatingMatrix out;
  out.offsets = read_array<int64_t>(folder / "offsets.i64");
  out.items = read_array<int32_t>(folder / "items.i32");
  out.ratings = read_array<float>(folder / "ratings.f32");
  check(out.offsets.size() >= 2 && !out.items.empty(), ErrorCode::kCorruptData, "[bench] ", folder.string(), " holds no ratings");
  out.num_users = static_cast<int32_t>(out.offsets.size()) - 1;
  out.num_items = *std::max_element(out.items.begin(), out.items.end()) + 1;
  return out;
}

people::AlsOptions als_options(const Options& o) {
  people::AlsOptions out = people::als_preset("implicit");
  out.rank = o.rank;
  out.lambda = o.lambda;
  out.solver = o.solver;
  return out;
}

/// The loss as `implicit` reports it: divided by the sum of all confidences, observed or not.
double per_confidence(double loss, double confidences, int64_t users, int64_t items, int64_t ratings) {
  return loss / (confidences + static_cast<double>(users * items - ratings));
}

Json run_als(const Options& o) {
  ThreadPool pool(o.threads);
  auto matrix = load(o.data);
  const int64_t users = matrix.num_users, items = matrix.num_items, ratings = static_cast<int64_t>(matrix.items.size());
  double confidences = 0;
  for (const float r : matrix.ratings) confidences += r;
  const auto built = Clock::now();
  people::Als als(std::move(matrix), als_options(o), pool);
  als.set_factors(read_array<float>(Path(o.data) / "start_users.f32"), read_array<float>(Path(o.data) / "start_items.f32"));
  const double build_seconds = seconds_since(built);
  std::vector<double> seconds;
  std::vector<double> user_seconds;
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    const auto start = Clock::now();
    als.user_step();
    user_seconds.push_back(seconds_since(start));
    als.item_step();
    seconds.push_back(seconds_since(start));
  }
  const double csr = 2.0 * 8 * static_cast<double>(ratings) + 8.0 * static_cast<double>(users + items + 2);
  const double factors = 4.0 * static_cast<double>(users + items) * o.rank;
  Json out = {{"mode", "als"},
              {"solver", o.solver},
              {"ratings", ratings},
              {"users", users},
              {"items", items},
              {"rank", o.rank},
              {"threads", o.threads},
              {"epochs", o.epochs},
              {"epoch_seconds", seconds},
              {"user_step_seconds", user_seconds},
              {"median_epoch_seconds", median(seconds)},
              {"build_seconds", build_seconds},
              {"peak_bytes", peak_bytes()},
              {"csr_and_factor_bytes", csr + factors},
              {"memory_ratio", static_cast<double>(peak_bytes()) / (csr + factors)}};
  if (o.loss) out["loss"] = per_confidence(als.loss(), confidences, users, items, ratings);
  return out;
}

/// A user who rates 20 to 1,000 items and then one more: the time of the fold-in of all of them.
Json run_update(const Options& o) {
  ThreadPool pool(o.threads);
  const auto matrix = load(o.data);
  people::AlsOptions options = als_options(o);
  options.sweeps = 1;
  people::Als als(matrix, options, pool);
  als.sweep();
  const people::AlsModel model(als.parameters());
  Json out = {{"mode", "update"}, {"rank", o.rank}, {"items", matrix.num_items}};
  for (const int count : {20, 100, 1000}) {
    std::vector<people::RatedItem> mine;
    const int step = matrix.num_items / (count + 1);
    for (int n = 0; n <= count; ++n) mine.push_back({data::ItemIndex(n * std::max(1, step) % matrix.num_items), 4});
    std::vector<double> micros;
    for (int repeat = 0; repeat < 200; ++repeat) {
      const auto start = Clock::now();
      const auto user = model.fold_in(mine);
      micros.push_back(1e6 * seconds_since(start));
      check(user.num_ratings == count + 1, ErrorCode::kInternal, "[bench] the update lost ratings");
    }
    out[cat("micros_", count)] = median(micros);
  }
  return out;
}

Json run_movielens(const Options& o) {
  ThreadPool pool(o.threads);
  auto dataset = data::read_dataset(o.path, {}, no_progress());
  people::AlsOptions options = als_options(o);
  people::Als als(dataset.interactions, dataset.users.size(), dataset.items.size(), options, pool);
  std::vector<double> seconds;
  const double before = processor_seconds();
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    const auto start = Clock::now();
    als.sweep();
    seconds.push_back(seconds_since(start));
  }
  const double processor_ms = 1e3 * (processor_seconds() - before) / o.epochs;
  return {{"mode", "movielens"},
          {"solver", o.solver},
          {"ratings", dataset.interactions.size()},
          {"rank", o.rank},
          {"threads", o.threads},
          {"epoch_ms", 1e3 * median(seconds)},
          {"processor_ms", processor_ms}};
}

int run(int argc, char** argv) {
  Options options;
  OptionList list;
  options.describe(list);
  parse_options(list, argc, argv);
  if (options.help) {
    std::cout << list.markdown();
    return 0;
  }
  check(!options.data.empty() || options.mode == "movielens" || options.mode == "critique", ErrorCode::kInvalidArgument, "[bench] mode ",
        options.mode, " needs --data");
  Json out;
  if (options.mode == "generate") out = generate(options);
  if (options.mode == "als") out = run_als(options);
  if (options.mode == "update") out = run_update(options);
  if (options.mode == "cav") out = run_cav(options.data, options.cavs, options.rank, options.cross_validate, options.threads);
  if (options.mode == "critique") out = run_critique(options.rank);
  if (options.mode == "movielens") out = run_movielens(options);
  std::cout << out.dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace attune::bench

int main(int argc, char** argv) { return attune::bench::run_program("people_bench", attune::bench::run, argc, argv); }
