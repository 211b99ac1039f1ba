// A language model that emits given byte pieces: the server's behaviour is tested without weights.
//
// Token ids are indices into a growing table of pieces. A call's answer is chosen by the text of its prompt (see Script).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "serve/text_engine.h"
#include "text/chat.h"

namespace attune::test {

/// What one answer consists of.
struct Script {
  std::vector<std::string> pieces;
  lm::Finish finish = lm::Finish::kStop;   ///< after the last piece
  bool endless = false;                    ///< repeats the pieces until stopped
  int delay_us = 0;                        ///< before each piece
  std::optional<Error> error;              ///< instead of the end
};

class ScriptedEngine final : public serve::TextEngine {
 public:
  /// Gives the script of choice `choice` for a prompt.
  using Writer = std::function<Script(const std::string& prompt, const serve::GenerateCall& call, int choice)>;

  explicit ScriptedEngine(Writer writer, int64_t context_length = 4096) : writer_(std::move(writer)) {
    info_.model = "scripted-model-7b";
    info_.instruction_tuned = true;
    info_.context_length = context_length;
    info_.vocab_size = 1 << 20;
    info_.hidden_size = 3;
    info_.created = 1'700'000'000;
    pieces_.push_back("");  // id 0: BOS
  }
  ~ScriptedEngine() override {
    std::unique_lock lock(mutex_);
    closing_ = true;
    idle_.wait(lock, [&] { return running_ == 0; });
  }

  const serve::EngineInfo& info() const override { return info_; }
  serve::EngineInfo& mutable_info() { return info_; }
  std::vector<std::string> stops;

  /// BOS, then one token a byte.
  std::vector<int32_t> tokenize(std::string_view text) const override {
    std::vector<int32_t> ids{0};
    for (const char c : text) ids.push_back(intern(std::string(1, c)));
    return ids;
  }
  std::vector<int32_t> render_chat(std::span<const text::ChatMessage> messages) const override {
    std::string text;
    for (const auto& turn : text::arrange_chat(messages).turns)
      text += (turn.role == text::TurnRole::kUser ? "U:" : "A:") + turn.text + "\n";
    return tokenize(text);
  }
  std::vector<std::string> chat_stops() const override { return stops; }
  std::string piece(int32_t id) const override {
    std::lock_guard lock(table_mutex_);
    return id < static_cast<int32_t>(pieces_.size()) ? pieces_[static_cast<size_t>(id)] : "?";
  }
  std::string text_of(const std::vector<int32_t>& ids) const {
    std::string out;
    for (const int32_t id : ids) out += piece(id);
    return out;
  }

  void generate(serve::GenerateCall call) override {
    if (refusal) throw *refusal;
    auto shared = std::make_shared<serve::GenerateCall>(std::move(call));
    const std::string prompt = text_of(shared->prompt);
    {
      std::lock_guard lock(mutex_);
      calls.push_back(*shared);
      calls.back().on_token = nullptr;
      calls.back().on_done = nullptr;
      calls.back().on_cached = nullptr;
      running_ += shared->num_choices;
    }
    for (int i = 0; i < shared->num_choices; ++i) {
      std::thread([this, shared, prompt, i]() mutable {
        run(*shared, writer_(prompt, *shared, i), i);
        shared.reset();
        std::lock_guard lock(mutex_);
        if (--running_ == 0) idle_.notify_all();
      }).detach();
    }
  }
  /// [number of tokens, last id, 1 / 3] of every prompt, or the refusal.
  std::vector<std::vector<float>> embed(const serve::EmbedCall& call) override {
    if (refusal) throw *refusal;
    std::vector<std::vector<float>> out;
    for (const auto& ids : call.prompts) {
      out.push_back({static_cast<float>(ids.size()), static_cast<float>(ids.back()), call.pooling == lm::Pooling::kLast ? 1.0f : 1.0f / 3});
    }
    return out;
  }
  lm::EngineStats stats() const override {
    std::lock_guard lock(mutex_);
    lm::EngineStats out;
    out.running = running_;
    return out;
  }
  int64_t running() const { return stats().running; }

  std::optional<Error> refusal;               ///< thrown by generate
  std::vector<serve::GenerateCall> calls;     ///< without callbacks; read when idle

 private:
  void run(serve::GenerateCall& call, const Script& script, int choice) {
    int64_t sent = 0;
    lm::Finish finish = script.finish;
    for (size_t i = 0; script.endless || i < script.pieces.size(); ++i) {
      if (script.delay_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(script.delay_us));
      if (call.stop.stop_requested() || closing_) return call.on_done(choice, lm::Finish::kCancelled, nullptr);
      const std::string& bytes = script.pieces[i % script.pieces.size()];
      serve::TokenOut token{intern(bytes), -0.5f - static_cast<float>(i), bytes, {}};
      for (int t = 0; t < call.num_top; ++t)
        token.top.push_back({t, -0.5f - static_cast<float>(t), t == 0 ? bytes : std::string(1, 'a' + t)});
      if (!call.on_token(choice, std::move(token))) {
        finish = lm::Finish::kStop;
        return call.on_done(choice, finish, nullptr);
      }
      if (++sent >= call.max_new) return call.on_done(choice, lm::Finish::kLength, nullptr);
    }
    if (script.error) return call.on_done(choice, lm::Finish::kError, &*script.error);
    call.on_done(choice, finish, nullptr);
  }
  int32_t intern(const std::string& piece) const {
    std::lock_guard lock(table_mutex_);
    const auto [found, is_new] = table_.try_emplace(piece, static_cast<int32_t>(pieces_.size()));
    if (is_new) pieces_.push_back(piece);
    return found->second;
  }

  Writer writer_;
  serve::EngineInfo info_;
  mutable std::mutex table_mutex_;
  mutable std::map<std::string, int32_t> table_;
  mutable std::vector<std::string> pieces_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  int64_t running_ = 0;
  std::atomic<bool> closing_{false};
};

}  // namespace attune::test
