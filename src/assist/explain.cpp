#include "assist/explain.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>

#include "assist/explain_internal.h"
#include "core/error.h"
#include "core/rng.h"
#include "data/title.h"
#include "lm/prompt.h"
#include "lm/text_stream.h"

namespace attune::assist {
namespace {

/// What one generation sends to the thread that waits.
struct Message {
  size_t item = 0;
  int sample = -1;               ///< -1: the item's block was computed
  bool done = false;
  std::string text;              ///< more text, or the whole one when done
  double mean_logprob = 0;
  bool ok = false;
  lm::Sequence sequence;         ///< of the block
};

/// Mailbox from the stepping threads; outlives a call that was cancelled.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Message> messages;

  void put(Message message) {
    {
      const std::lock_guard lock(mutex);
      messages.push_back(std::move(message));
    }
    arrived.notify_one();
  }
  std::deque<Message> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(messages, {});
  }
};

struct Candidate {
  bool done = false;
  bool ok = false;          ///< the sentence passed the check, and reads well
  std::string text;
  double mean_logprob = 0;
};

struct Item {
  const ReasonRequest* request = nullptr;
  std::string title;              ///< as it stands in the prompt
  std::vector<int32_t> block;     ///< ids
  lm::Sequence prefix;            ///< with the block computed
  bool ready = false;             ///< block computed
  bool failed = false;            ///< the engine refused
  int started = 0;
  int finished = 0;
  int wanted = 0;                 ///< samples of the rounds so far
  std::vector<Candidate> candidates;
  std::string streamed;           ///< of the first candidate

  bool any_ok() const {
    return std::any_of(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.ok; });
  }
};

int count_words(std::string_view text) { return static_cast<int>(std::count(text.begin(), text.end(), ' ')) + 1; }

}  // namespace

void ExplainOptions::describe(OptionList& list) {
  list.add("because_temperature", temperature, "Softmax temperature of written reasons.").range(0, 10);
  list.add("because_top_p", top_p, "Nucleus of written reasons.").range(0, 1);
  list.add("because_top_k", top_k, "Likeliest tokens of written reasons; 0 keeps all.").range(0, 1 << 20);
  list.add("because_samples", first_samples, "Sentences drawn per item at once.").range(1, 16);
  list.add("because_max_samples", max_samples, "Sentences drawn per item before a template speaks.").range(1, 64);
  list.add("because_max_tokens", max_tokens, "Tokens of one sentence at most.").range(8, 256);
}

struct Explainer::State {
  lm::Engine& engine;
  ExplainOptions options;
  std::mutex prefix_mutex;
  lm::Sequence prefix[2];  ///< without and with taste; computed on first use

  explicit State(lm::Engine& e, ExplainOptions o) : engine(e), options(o) {}

  lm::Sequence fork_prefix(bool with_taste, std::stop_token stop) {
    const std::lock_guard lock(prefix_mutex);
    lm::Sequence& kept = prefix[with_taste ? 1 : 0];
    if (!kept.valid()) {
      lm::SeqOptions seq;
      seq.want_model_logprob = true;  // candidates are ranked by it
      seq.sampler.temperature = options.temperature;
      seq.sampler.top_p = options.top_p;
      seq.sampler.top_k = options.top_k;
      lm::Sequence fresh = engine.start(seq);
      fresh.append(lm::tokenize_text(*engine.model().tokenizer(), prompt_prefix(with_taste)));
      engine.prefill(fresh, stop);
      kept = std::move(fresh);
    }
    return kept.fork(0);
  }
};

namespace {

/// One call of explain: items in flight, answers in order.
class Writer {
 public:
  Writer(lm::Engine& engine, const ExplainOptions& options, std::span<const ReasonRequest> requests, uint64_t seed,
         const TitleIndex* titles, const ExplainCallbacks& callbacks, std::stop_token stop)
      : engine_(engine), options_(options), seed_(seed), titles_(titles), callbacks_(callbacks), stop_(std::move(stop)) {
    for (const ReasonRequest& request : requests) {
      Item item;
      item.request = &request;
      item.title = plain_line(data::parse_title(request.facts.title).display_title, 120);
      item.wanted = std::min(options.first_samples, options.max_samples);
      items_.push_back(std::move(item));
    }
  }
  ~Writer() { inner_stop_.request_stop(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  std::vector<Reason> run(const std::function<lm::Sequence(bool)>& fork_prefix) {
    const std::stop_callback link(stop_, [this] { inner_stop_.request_stop(); });
    while (results_.size() < items_.size()) {
      check(!stop_.stop_requested(), ErrorCode::kCancelled, "[explain] cancelled");
      for (Message& message : mailbox_->take()) receive(message);
      start_blocks(fork_prefix);
      start_samples();
      finish_items();
      if (results_.size() == items_.size()) break;
      const lm::StepReport report = engine_.step();
      if (report.rows > 0) continue;
      std::unique_lock lock(mailbox_->mutex);
      mailbox_->arrived.wait_for(lock, std::chrono::milliseconds(20), [this] { return !mailbox_->messages.empty(); });
    }
    return std::move(results_);
  }

 private:
  /// The items' blocks are computed by a generation of one token each, in one batch; the token is dropped.
  void start_blocks(const std::function<lm::Sequence(bool)>& fork_prefix) {
    while (next_block_ < items_.size() && in_flight_ < options_.max_in_flight) {
      Item& item = items_[next_block_];
      lm::Sequence sequence = fork_prefix(has_liked_genre(item.request->facts));
      const int64_t before = sequence.length();
      item.block = engine_.model().tokenizer()->encode(prompt_block(item.request->facts));
      try {
        sequence.append(item.block);
      } catch (const Error&) {
        item.failed = true;
        ++next_block_;
        continue;
      }
      lm::Request request;
      request.sequence = std::move(sequence);
      request.max_new = 1;
      request.stop = inner_stop_.get_token();
      request.on_done = [mailbox = mailbox_, index = next_block_, length = before + static_cast<int64_t>(item.block.size()),
                         last = item.block.back()](lm::Sequence finished, lm::Finish finish, const Error* error) {
        Message message;
        message.item = index;
        message.done = true;
        const bool good = error == nullptr && finish != lm::Finish::kCancelled && finish != lm::Finish::kError;
        message.ok = good && finished.rewind(length - 1);
        if (message.ok) finished.append(std::vector<int32_t>{last});
        message.sequence = std::move(finished);
        mailbox->put(std::move(message));
      };
      if (!submit(std::move(request))) return;
      ++next_block_;
    }
  }

  void start_samples() {
    for (size_t i = results_.size(); i < items_.size() && in_flight_ < options_.max_in_flight; ++i) {
      Item& item = items_[i];
      while (item.ready && item.started < item.wanted && in_flight_ < options_.max_in_flight) {
        if (!start_sample(i)) return;
      }
    }
  }

  bool start_sample(size_t i) {
    Item& item = items_[i];
    const int sample = item.started;
    lm::Sequence sequence = item.prefix.fork(0);
    sequence.set_seed(seed_, fnv1a(cat(item.request->item, "/", sample)));
    lm::Request request;
    request.sequence = std::move(sequence);
    request.max_new = options_.max_tokens;
    request.stop_ids = engine_.model().stop_ids();
    request.stop = inner_stop_.get_token();
    struct Writing {
      std::string text;
      double logprob = 0;
      int tokens = 0;
      lm::TextStream stream;
      explicit Writing(const text::Tokenizer& tokenizer) : stream(tokenizer, {"\n"}) {}
    };
    auto writing = std::make_shared<Writing>(*engine_.model().tokenizer());
    request.on_token = [writing, mailbox = mailbox_, i, sample, title = item.title](const lm::Event& event) {
      const std::string more = writing->stream.add(event.token);
      writing->text += more;
      writing->logprob += event.logp_model;
      ++writing->tokens;
      if (sample == 0 && !more.empty()) {
        Message message;
        message.item = i;
        message.sample = sample;
        message.text = more;
        mailbox->put(std::move(message));
      }
      return !writing->stream.stopped() && !first_sentence(writing->text, title).complete;
    };
    request.on_done = [writing, mailbox = mailbox_, i, sample](lm::Sequence, lm::Finish finish, const Error* error) {
      Message message;
      message.item = i;
      message.sample = sample;
      message.done = true;
      message.ok = error == nullptr && finish != lm::Finish::kCancelled && finish != lm::Finish::kError && finish != lm::Finish::kLength;
      message.text = writing->text + writing->stream.finish();
      message.mean_logprob = writing->tokens > 0 ? writing->logprob / writing->tokens : 0;
      mailbox->put(std::move(message));
    };
    if (!submit(std::move(request))) return false;
    ++item.started;
    item.candidates.resize(static_cast<size_t>(item.started));
    return true;
  }

  /// False if the engine's queue is full: later again.
  bool submit(lm::Request request) {
    try {
      engine_.submit(std::move(request));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kResource) return false;
      throw;
    }
    ++in_flight_;
    return true;
  }

  void receive(Message& message) {
    Item& item = items_[message.item];
    if (!message.done) {
      stream_delta(item, message.text);
      return;
    }
    --in_flight_;
    if (message.sample < 0) {
      item.ready = message.ok;
      item.failed = !message.ok;
      item.prefix = std::move(message.sequence);
      return;
    }
    Candidate& candidate = item.candidates[static_cast<size_t>(message.sample)];
    candidate.done = true;
    candidate.text = first_sentence(message.text, item.title).text;
    candidate.mean_logprob = message.mean_logprob;
    const Verdict verdict = check_reason(item.request->facts, candidate.text, titles_);
    const bool well = reads_well(candidate.text, item.title);
    candidate.ok = message.ok && verdict.accepted() && well;
    if (callbacks_.on_candidate) callbacks_.on_candidate(item.request->item, candidate.text, verdict, well);
    ++item.finished;
  }

  void stream_delta(Item& item, const std::string& more) {
    if (!callbacks_.on_delta) return;
    std::string_view text = more;
    if (item.streamed.empty()) text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return;
    item.streamed += text;
    callbacks_.on_delta(item.request->item, text);
  }

  /// Ends items in order. An item is judged when all samples of its round are in, so that the answer does not depend on who was faster.
  void finish_items() {
    for (Item& item : items_) {
      if (item.failed || item.finished < item.wanted || item.any_ok()) continue;
      item.wanted = std::min(options_.max_samples, 2 * item.wanted);
    }
    while (results_.size() < items_.size()) {
      Item& item = items_[results_.size()];
      const bool exhausted = item.failed || item.finished >= options_.max_samples;
      if (!exhausted && (item.finished < item.wanted || !item.any_ok())) return;
      results_.push_back(choose(item));
      item.prefix = {};
      if (callbacks_.on_final) callbacks_.on_final(results_.back());
    }
  }

  Reason choose(const Item& item) {
    const ReasonFacts& facts = item.request->facts;
    Reason reason;
    reason.item = item.request->item;
    reason.samples = item.finished;
    double best = 0;
    std::string best_shape;
    for (const Candidate& candidate : item.candidates) {
      if (!candidate.ok) continue;
      const std::string shape = sentence_shape(candidate.text, item.title, facts.genres);
      const double score = rank(item, candidate, shape);
      if (reason.accepted++ > 0 && score <= best) continue;
      best = score;
      best_shape = shape;
      reason.text = candidate.text;
      reason.mean_logprob = candidate.mean_logprob;
      reason.source = BecauseSource::kModel;
    }
    if (reason.accepted == 0) {
      reason.text = template_reason(facts, fnv1a(item.request->item) + results_.size());
      reason.source = BecauseSource::kTemplate;
      return reason;
    }
    shapes_.insert(best_shape);
    return reason;
  }

  /// Likely under the model, neither clipped nor rambling, says what links item and user, and is not built like an earlier one.
  double rank(const Item& item, const Candidate& candidate, const std::string& shape) const {
    const ReasonFacts& facts = item.request->facts;
    const int words = count_words(candidate.text);
    double score = candidate.mean_logprob;
    if (words < 6 || words > 30) score -= 0.5;
    if (has_liked_genre(facts) && (candidate.text.find("you") != std::string::npos || candidate.text.find("You") != std::string::npos))
      score += 1;
    if (facts.year && candidate.text.find(std::to_string(*facts.year)) != std::string::npos) score += 0.1;
    if (shapes_.contains(shape)) score -= 1;
    return score;
  }

  lm::Engine& engine_;
  const ExplainOptions& options_;
  uint64_t seed_;
  const TitleIndex* titles_;
  const ExplainCallbacks& callbacks_;
  std::stop_token stop_;
  std::stop_source inner_stop_;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::vector<Item> items_;
  std::vector<Reason> results_;
  std::set<std::string> shapes_;
  size_t next_block_ = 0;
  int in_flight_ = 0;
};

}  // namespace

Explainer::Explainer(lm::Engine& engine, ExplainOptions options) : state_(std::make_unique<State>(engine, options)) {
  check(options.first_samples >= 1 && options.max_samples >= options.first_samples && options.max_tokens >= 1 && options.max_in_flight >= 1,
        ErrorCode::kInvalidArgument,
        "[explainer] samples, tokens and sentences in flight must be at least 1, max_samples at least first_samples");
}
Explainer::~Explainer() = default;

std::vector<Reason> Explainer::explain(std::span<const ReasonRequest> requests, uint64_t seed, const TitleIndex* other_titles,
                                       const ExplainCallbacks& callbacks, std::stop_token stop) {
  if (requests.empty()) return {};
  if (state_->engine.model().tokenizer() == nullptr) {
    std::vector<Reason> out;
    for (const ReasonRequest& request : requests) {
      out.push_back({request.item, template_reason(request.facts, fnv1a(request.item) + out.size()), BecauseSource::kTemplate, 0, 0, 0});
      if (callbacks.on_final) callbacks.on_final(out.back());
    }
    return out;
  }
  Writer writer(state_->engine, state_->options, requests, seed, other_titles, callbacks, stop);
  return writer.run([&](bool with_taste) { return state_->fork_prefix(with_taste, stop); });
}

}  // namespace attune::assist
