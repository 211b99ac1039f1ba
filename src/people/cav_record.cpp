#include <nlohmann/json.hpp>

#include "people/cav.h"

namespace attune::people {

std::string to_json(const CavRecord& record) {
  nlohmann::ordered_json out;
  out["attribute"] = record.attribute;
  out["mode"] = record.mode;
  out["c"] = record.c;
  out["c_tried"] = record.c_tried;
  out["cv_accuracy"] = record.cv_accuracy;
  out["users"] = record.num_users;
  out["items"] = record.num_items;
  out["positive"] = record.num_positive;
  out["negative"] = record.num_negative;
  out["without_vector"] = record.num_without_vector;
  out["duplicated"] = record.duplicated;
  out["seed"] = record.seed;
  out["loss"] = record.loss;
  out["accuracy"] = record.accuracy;
  out["iterations"] = record.iterations;
  out["converged"] = record.converged;
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace attune::people
