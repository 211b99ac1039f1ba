// The dense pieces of ALS rows (kernels/als.h) under their names here.
#pragma once

#include "kernels/als.h"

namespace attune::people {

using kernels::als_add_gram;
using kernels::als_add_row;
using kernels::als_cholesky;
using kernels::als_conjugate_gradient;
using kernels::als_padded;
using kernels::als_scale;
using kernels::als_scores;
using kernels::als_solve;
using kernels::AlsEntry;
using kernels::AlsSystem;
using kernels::kAlsLanes;
using kernels::kAlsPanelRows;

}  // namespace attune::people
