#include "people/als_options.h"

#include <map>

#include "core/registry.h"

namespace attune::people {
namespace {

using Preset = void (*)(AlsOptions&);

/// Residuals of a damped bias model: the space in which attributes are looked for.
void soft_attributes(AlsOptions& o) {
  o.target = "residual";
  o.rank = 64;
  o.lambda = 1;
  o.w0 = 0.01;
  o.kappa = "one";
  o.user_damping = 10;
  o.item_damping = 10;
  o.init_sd = 0;  // 0.1 / sqrt(rank)
}

/// Small space for language about items; regularisation grows with the number of ratings.
void eagle(AlsOptions& o) {
  o.target = "residual";
  o.rank = 16;
  o.lambda = 0.1;
  o.w0 = 0.02;
  o.kappa = "count";
  o.user_damping = 10;
  o.item_damping = 5;
  o.init_sd = 0.1;
}

/// Mean-centred ratings, observed entries only: user clusters become latent states.
void latent_bandits(AlsOptions& o) {
  o.target = "centred";
  o.rank = 10;
  o.lambda = 0.1;
  o.w0 = 0;
  o.kappa = "one";
  o.init_sd = 0.1;
}

/// Preferences: what was liked against everything not chosen. Chosen for ranking (docs/methods/factorisation.md, table of results).
void ranking(AlsOptions& o) {
  o.target = "liked";
  o.rank = 32;
  o.lambda = 0.015;
  o.w0 = 0.2;
  o.kappa = "count_and_unobserved";
  o.weight = 1;
  o.low_weight = 1;
  o.low_target = 0.8;
  o.low_slope = 0.45;
  o.sweeps = 12;
  o.init_sd = 0;
}

/// Implicit feedback: every rating is a choice, its value the confidence in it (Hu, Koren, Volinsky, ICDM 2008). The numbers and the loss
/// are the defaults of the Python package `implicit`.
void implicit(AlsOptions& o) {
  o.target = "confidence";
  o.rank = 64;
  o.lambda = 0.01;
  o.w0 = 1;
  o.kappa = "one";
  o.weight = 1;
  o.sweeps = 15;
  o.solver = "cg";
  o.cg_steps = 3;
  o.init_sd = 0.01;
}

const Registry<Preset>& presets() {
  static const Registry<Preset> registry = [] {
    Registry<Preset> out("factorisation preset");
    out.add("soft_attributes", soft_attributes);
    out.add("eagle", eagle);
    out.add("latent_bandits", latent_bandits);
    out.add("ranking", ranking);
    out.add("implicit", implicit);
    return out;
  }();
  return registry;
}

}  // namespace

void AlsOptions::describe(OptionList& list) {
  list.add("target", target,
           "What p . q learns: residual = rating - mean - user and item bias; centred = rating - mean; rating = the rating itself; "
           "liked = 1 for ratings of at least liked_threshold, less for the others (low_target, low_slope); "
           "confidence = 1 with weight * rating as the weight (plays, purchases), 0 with weight * |rating| below 0.")
      .choices({"residual", "centred", "rating", "liked", "confidence"});
  list.add("rank", rank, "Dimension d of the factors.").range(1, 1024);
  list.add("lambda", lambda, "L2 regularisation.").range(1e-9, 1e9);
  list.add("w0", w0, "Weight of a pair without rating, whose target is 0.").range(0, 1e6);
  list.add(
          "kappa", kappa,
          "Scale of a row's regularisation: one; count = the row's number of ratings; count_and_unobserved = ratings + w0 * rows of the other side.")
      .choices({"one", "count", "count_and_unobserved"});
  list.add("weight", weight, "Weight of a rating; target confidence multiplies it by the rating.").range(1e-9, 1e6);
  list.add("low_weight", low_weight, "Weight of a rating below liked_threshold when target is liked.").range(0, 1e6);
  list.add("low_target", low_target,
           "Target of a rating one unit (a quarter of liked_threshold) below liked_threshold when target is liked.")
      .range(-1, 1);
  list.add("low_slope", low_slope, "How much the target falls for each further unit below, down to -1.").range(0, 10);
  list.add("liked_threshold", liked_threshold, "Ratings of at least this count as liked.").range(-1e6, 1e6);
  list.add("user_damping", user_damping, "Pseudo ratings that pull a user's bias to 0.").range(0, 1e6);
  list.add("item_damping", item_damping, "Pseudo ratings that pull an item's bias to 0.").range(0, 1e6);
  list.add("init_sd", init_sd, "Standard deviation of the random start; 0 = 0.1 / sqrt(rank).").range(0, 100);
  list.add("sweeps", sweeps, "Sweeps over users and items.").range(1, 10000);
  list.add("rank_with_bias", rank_with_bias, "Whether the ranking score includes the item bias.");
  list.add("solver", solver,
           "How rows are solved in training: cholesky = exactly; cg = cg_steps conjugate gradient steps from the last value.")
      .choices({"cholesky", "cg"});
  list.add("cg_steps", cg_steps, "Conjugate gradient steps a row and sweep.").range(1, 1000);
  list.add("double_precision", double_precision, "Solve rows in double.");
  list.add("seed", seed, "Seed of the random start.");
}

void AlsOptions::check_ranges() const { check_option_ranges(*this); }

AlsOptions als_preset(std::string_view name) {
  AlsOptions out;
  presets().get(name)(out);
  return out;
}

std::vector<std::string> als_preset_names() { return presets().names(); }

}  // namespace attune::people
