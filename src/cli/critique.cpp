// attune critique: say "more" or "less" of a word about a list and see what changes; once, or as a session that reads lines.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "assist/recommend.h"
#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "store/sqlite_store.h"
#include "text/utf8.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxLine = 4096;
constexpr size_t kTitleWidth = 44;
constexpr int kBarHalf = 6;  // characters on each side
constexpr double kBarScale = 2;  // characters a standard deviation
constexpr size_t kShownTastes = 30;

struct CritiqueVerbOptions {
  std::string user;
  std::string attribute;
  bool more = false;
  bool less = false;
  std::string item;
  int32_t k = 10;
  std::string update = "default";
  std::string recommender = (home_folder() / "models" / "recommender").string();
  std::string store = (home_folder() / "state" / "attune.db").string();

  void describe(OptionList& list) {
    list.add("user", user, "Id of the user; somebody new may begin with a critique.").alias("-u").required();
    list.add("attribute", attribute,
             "Criticise once and end: the word, or one of its senses (gory#2). Without it a session reads commands.");
    list.add("more", more, "The list should have more of it.");
    list.add("less", less, "The list should have less of it.");
    list.add("item", item, "Id of the item that is meant, instead of the whole list.");
    list.add("k", k, "Length of the list.").alias("-k").range(1, 1000);
    list.add("update", update, "How a critique moves the profile.").choices({"default", "heuristic", "bayesian", "pairwise"});
    list.add("recommender", recommender, "Folder of the learned model and its attributes.");
    list.add("store", store, "SQLite file that critiques are kept in, as the server keeps them.");
  }
};

// ---- pictures of one line ----

/// The title cut or padded to a width, counted in code points.
std::string column(const std::string& text, size_t width) {
  std::string out;
  size_t count = 0;
  for (const char c : text::sanitize_utf8(text)) {
    const bool begins = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (begins && count == width) break;
    count += begins ? 1 : 0;
    out.push_back(c);
  }
  return out + std::string(width - count, ' ');
}

/// "   ###|      " for a degree below 0.
std::string bar(double degree) {
  const int filled = std::min(kBarHalf, static_cast<int>(std::abs(degree) * kBarScale + 0.5));
  const std::string marks(static_cast<size_t>(filled), '#'), rest(static_cast<size_t>(kBarHalf - filled), ' ');
  const std::string empty(static_cast<size_t>(kBarHalf), ' ');
  return degree < 0 ? rest + marks + "|" + empty : empty + "|" + marks + rest;
}

std::string signed_number(double value) { return cat(value < 0 ? "" : "+", fixed(value, 2)); }
std::string degree_text(const std::optional<double>& degree) { return degree ? signed_number(*degree) : "-"; }

std::string place_text(int rank) { return cat(rank < 10 ? "  " : rank < 100 ? " " : "", rank); }

/// "+3", "-1", "=", "new", padded to 5.
std::string move_text(const assist::CritiqueList& before, const std::string& item, size_t place) {
  std::string out = "new";
  for (size_t k = 0; k < before.items.size(); ++k) {
    if (before.items[k].item.item != item) continue;
    out = k == place ? "=" : k > place ? cat("+", k - place) : cat("-", place - k);
  }
  return out + std::string(5 - std::min<size_t>(5, out.size()), ' ');
}

std::string title_of(const assist::RecommendedItem& item) { return item.year ? cat(item.title, " (", *item.year, ")") : item.title; }

// ---- JSON ----

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }
Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json list_json(const assist::CritiqueList& list) {
  Json items = Json::array();
  for (const auto& [item, degree] : list.items) {
    items.push_back({{"item", item.item}, {"title", item.title}, {"score", item.score}, {"degree", number(degree)}});
  }
  return {{"mean_degree", number(list.mean_degree)}, {"items", items}};
}

Json reply_json(const assist::CritiqueReply& reply) {
  Json trajectory = Json::array();
  for (const auto& step : reply.trajectory) {
    trajectory.push_back({{"step", step.step},
                          {"mean_degree", number(step.mean_degree)},
                          {"direction", step.more ? Json(*step.more ? "more" : "less") : Json(nullptr)}});
  }
  return {{"user", reply.user},
          {"attribute", reply.attribute},
          {"sense", reply.sense},
          {"direction", reply.more ? "more" : "less"},
          {"update", reply.update},
          {"event", reply.event_id},
          {"before", list_json(reply.before)},
          {"after", list_json(reply.after)},
          {"trajectory", trajectory}};
}

// ---- the session ----

class Session {
 public:
  Session(const CommandContext& context, assist::RecommendService& service, const CritiqueVerbOptions& options)
      : context_(context), service_(service), options_(options) {}

  void criticise(const std::string& word, bool more, const std::string& item = {}) {
    assist::CritiqueCall call;
    call.user = options_.user;
    call.attribute = word;
    call.more = more;
    call.item = item;
    call.k = options_.k;
    if (options_.update != "default") call.update = options_.update;
    const auto reply = service_.critique(call);
    made_.push_back(reply.event_id);
    word_ = reply.sense;
    if (context_.common.json) {
      context_.print(dump(reply_json(reply)));
      return;
    }
    context_.print(cat(more ? "more " : "less ", reply.sense, ": mean ", degree_text(reply.before.mean_degree), " -> ",
                       degree_text(reply.after.mean_degree), " standard deviations"));
    print_list(reply.after, &reply.before);
  }

  void undo() {
    if (made_.empty()) {  // of earlier sessions
      for (const auto& critique : known() ? service_.user_attributes(options_.user).critiques : std::vector<assist::UserCritique>()) {
        made_.push_back(critique.event_id);
      }
    }
    check(!made_.empty(), ErrorCode::kFailedPrecondition, "[undo] nothing to take back");
    const auto before = current();
    const std::string event = made_.back();
    service_.undo_critique(options_.user, event);
    made_.pop_back();
    const auto after = current();
    if (context_.common.json) {
      context_.print(dump({{"user", options_.user}, {"undone", event}, {"before", list_json(before)}, {"after", list_json(after)}}));
      return;
    }
    context_.print(cat("taken back: mean ", degree_text(before.mean_degree), " -> ", degree_text(after.mean_degree)));
    print_list(after, &before);
  }

  void list() {
    const auto now = current();
    if (context_.common.json) {
      context_.print(dump({{"user", options_.user}, {"attribute", word_}, {"list", list_json(now)}}));
      return;
    }
    print_list(now, nullptr);
  }

  void attributes() {
    if (!known()) {
      for (const auto& info : service_.attributes().attributes)
        print_attribute(info.name, info.name, std::nullopt, std::nullopt, std::nullopt);
      return;
    }
    const auto mine = service_.user_attributes(options_.user);
    size_t shown = 0;
    for (const auto& a : mine.attributes) {
      if (!context_.common.json && ++shown > kShownTastes) break;
      print_attribute(a.name, a.sense, a.taste, a.low, a.high);
    }
    if (mine.attributes.size() > kShownTastes && !context_.common.json) {
      context_.print(cat("  and ", mine.attributes.size() - kShownTastes, " weaker ones; any of them can be criticised"));
    }
  }

  /// Reads commands until the end or "quit".
  void run() {
    const bool person = ::isatty(STDIN_FILENO) != 0 && !context_.common.json;
    if (person) {
      context_.note("commands: more WORD, less WORD, undo, list, attributes, help, quit");
      guarded([&] { list(); });
    }
    std::string line;
    while (true) {
      if (person) std::cerr << "> " << std::flush;
      if (!std::getline(std::cin, line) || !obey(line)) break;
    }
  }

 private:
  /// False ends the session.
  bool obey(const std::string& line) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) return true;
    const auto last = line.find_last_not_of(" \t\r");
    const auto space = line.find_first_of(" \t", first);
    const std::string verb = line.substr(first, std::min(space, last + 1) - first);
    const auto begin = space < last ? line.find_first_not_of(" \t", space) : std::string::npos;
    const std::string rest = begin == std::string::npos ? "" : line.substr(begin, last + 1 - begin);
    if (verb == "quit" || verb == "exit" || verb == "q") return false;
    guarded([&] {
      check(line.size() <= kMaxLine, ErrorCode::kInvalidArgument, "[critique] a line of ", line.size(), " bytes, expected at most ",
            kMaxLine);
      const bool more = verb == "more" || verb == "+";
      if (more || verb == "less" || verb == "-") {
        check(!rest.empty(), ErrorCode::kInvalidArgument, "[critique] ", verb, " of what? `attributes` lists the words");
        return criticise(rest, more);
      }
      if (verb == "undo") return undo();
      if (verb == "list") return list();
      if (verb == "attributes") return attributes();
      check(verb == "help", ErrorCode::kInvalidArgument, "[critique] unknown command \"", verb.substr(0, 40), "\": help lists them");
      context_.note("more WORD | less WORD  say it about the list (also + and -); WORD may name a sense: gory#2");
      context_.note("undo                   take the last critique back");
      context_.note("list                   the list as it is now");
      context_.note("attributes             the words, and how much of each you want beside the average user");
      context_.note("quit                   leave; critiques are kept");
    });
    return true;
  }

  /// What a person typed wrong ends no session.
  template <class Body>
  void guarded(const Body& body) {
    try {
      body();
    } catch (const Error& error) {
      const bool typed = error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kInvalidArgument ||
                         error.code() == ErrorCode::kFailedPrecondition;
      if (!typed) throw;
      if (context_.common.json) {
        Json line = Json::object();
        line["error"] = error.what();
        context_.print(dump(line));
      }
      context_.note(error.what());
    }
  }

  bool known() const { return service_.has_user(options_.user); }

  /// The list now, by the word criticised last, else by the first one there is.
  assist::CritiqueList current() {
    if (word_.empty())
      word_ = known() ? service_.user_attributes(options_.user).attributes.at(0).name : service_.attributes().attributes.at(0).name;
    return service_.critique_list(options_.user, word_, options_.k);
  }

  void print_list(const assist::CritiqueList& list, const assist::CritiqueList* before) {
    context_.print(cat("      ", before != nullptr ? "move " : "", column("", kTitleWidth), "  ", word_));
    for (size_t k = 0; k < list.items.size(); ++k) {
      const auto& [item, degree] = list.items[k];
      context_.print(cat(place_text(static_cast<int>(k) + 1), "  ", before != nullptr ? move_text(*before, item.item, k) : "",
                         column(title_of(item), kTitleWidth), "  ", degree ? bar(*degree) : std::string(2 * kBarHalf + 1, ' '), " ",
                         degree_text(degree)));
    }
    if (before == nullptr) return;
    std::string gone;
    for (const auto& old : before->items) {
      const bool stays =
          std::any_of(list.items.begin(), list.items.end(), [&](const auto& entry) { return entry.item.item == old.item.item; });
      if (!stays) gone += cat(gone.empty() ? "" : "; ", title_of(old.item));
    }
    if (!gone.empty()) context_.print(cat("gone: ", gone));
  }

  void print_attribute(const std::string& name, const std::string& sense, std::optional<double> taste, std::optional<double> low,
                       std::optional<double> high) {
    if (context_.common.json) {
      context_.print(dump({{"name", name}, {"sense", sense}, {"taste", number(taste)}, {"low", number(low)}, {"high", number(high)}}));
      return;
    }
    std::string line = cat("  ", column(sense, 28));
    if (taste) line += cat("  ", bar(*taste), " ", signed_number(*taste));
    if (low && high) line += cat("  [", signed_number(*low), ", ", signed_number(*high), "]");
    context_.print(line);
  }

  const CommandContext& context_;
  assist::RecommendService& service_;
  const CritiqueVerbOptions& options_;
  std::string word_;  ///< shown as the bar
  std::vector<std::string> made_;  ///< events that undo takes back, oldest first
};

int critique(const CommandContext& context, const CritiqueVerbOptions& options) {
  const bool once = !options.attribute.empty();
  check(once ? options.more != options.less : !options.more && !options.less, ErrorCode::kInvalidArgument,
        once ? "[critique] --attribute needs either --more or --less" : "[critique] --more and --less need --attribute");
  check(once || options.item.empty(), ErrorCode::kInvalidArgument, "[critique] --item needs --attribute");
  const auto service = assist::RecommendService::open(options.recommender, store::open_sqlite_store(options.store));
  const std::string problem = service->attributes_problem();
  check(problem.empty(), ErrorCode::kFailedPrecondition, problem);
  Session session(context, *service, options);
  if (once) {
    session.criticise(options.attribute, options.more, options.item);
  } else {
    session.run();
  }
  return 0;
}

}  // namespace

void register_critique(CommandSet& commands) {
  commands.add("critique", "Say \"more\" or \"less\" of a word about a list and see it change.", [](CommandSpec& spec) {
    auto& options = spec.options<CritiqueVerbOptions>();
    spec.example("attune critique --user 196");
    spec.example("attune critique --user 196 --attribute horror --less");
    spec.example("printf 'less horror\\nmore comedy\\nundo\\n' | attune critique --user 196 --json");
    return [&options](const CommandContext& context) { return critique(context, options); };
  });
}

}  // namespace attune::cli
