// Recommendations, feedback, items, users.
#include "serve/route.h"

namespace attune::serve {

void add_people_gauges(const App&, Gauges&) {}

}  // namespace attune::serve
