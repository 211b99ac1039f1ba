#include "cli/interrupt.h"

#include <csignal>
#include <pthread.h>
#include <thread>

namespace attune::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void on_interrupt(int) {
  g_interrupted = 1;
  std::signal(SIGINT, SIG_DFL);
}

std::jthread g_watcher;

}  // namespace

Interrupt::Interrupt() {
  g_interrupted = 0;
  std::signal(SIGINT, on_interrupt);
  g_watcher = std::jthread([this](std::stop_token stop) {  // request_stop is not safe inside a signal handler
    while (!stop.stop_requested()) {
      if (g_interrupted != 0) {
        source_.request_stop();
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
}

Interrupt::~Interrupt() {
  g_watcher.request_stop();
  if (g_watcher.joinable()) g_watcher.join();
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace attune::cli
