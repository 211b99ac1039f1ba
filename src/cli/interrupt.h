// Ctrl-C as a stop token: the work in progress ends, the program goes on.
#pragma once

#include <stop_token>

namespace attune::cli {

/// While alive, the first SIGINT requests a stop; a second one ends the program. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }

 private:
  std::stop_source source_;
};

}  // namespace attune::cli
