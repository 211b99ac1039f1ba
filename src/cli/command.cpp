#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "cli/version.h"

namespace attune::cli {
namespace {

constexpr int kUsage = 2;

/// A verb's spec, its body, and the CLI11 sub-command it was bound to.
struct Bound {
  CommandSpec spec;
  CommandBody body;
  CLI::App* app = nullptr;
};

std::string option_help(const Option& option) {
  std::string out = option.help();
  if (const std::string range = option.range_text(); !range.empty()) out += " (" + range + ")";
  if (!option.unit().empty()) out += " [" + option.unit() + "]";
  if (const std::string value = option.value_text(); !value.empty() && option.type() != OptionType::kBool) out += " [default: " + value + "]";
  if (!option.is_positional()) out += " [env: " + option.env() + "]";
  return out;
}

/// "-np": CLI11 knows one-letter short flags only, so longer ones are spelled out before parsing.
bool is_long_short(const std::string& alias) { return alias.size() > 2 && alias[0] == '-' && alias[1] != '-'; }

void bind_option(CLI::App& app, Option& option) {
  std::string names = option.is_positional() ? option.name() : option.flag();
  for (const auto& alias : option.aliases()) {
    if (!is_long_short(alias)) names += "," + alias;
  }
  CLI::Option* bound = nullptr;
  if (option.type() == OptionType::kBool) {
    bound = app.add_flag_callback(names, [&option] { option.set_bool(true); }, option_help(option));
  } else if (option.type() == OptionType::kStringList) {
    bound = app.add_option_function<std::vector<std::string>>(
        names, [&option](const std::vector<std::string>& values) { option.set_list(values); }, option_help(option));
  } else {
    bound = app.add_option_function<std::string>(names, [&option](const std::string& value) { option.set_text(value); }, option_help(option));
  }
  if (option.is_required()) bound->required();
}

void add_common(CLI::App& app, CommonOptions& common) {
  app.add_flag("--json", common.json, "Print one JSON object a result line.");
  app.add_flag("-q,--quiet", common.quiet, "No progress and notes.");
  app.add_flag("-v,--verbose", common.verbose, "Log what happens to stderr.");
}

std::string footer_of(const CommandSpec& spec) {
  std::string out;
  for (const auto& line : spec.examples()) out += (out.empty() ? "Examples:\n  " : "\n  ") + line;
  return out;
}

}  // namespace

void CommandContext::print(std::string_view line) const {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void CommandContext::note(std::string_view line) const {
  if (!common.quiet) std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void CommandSet::add(std::string name, std::string help, std::function<CommandBody(CommandSpec&)> setup) {
  entries_.push_back({std::move(name), std::move(help), std::move(setup)});
}

int CommandSet::run(int argc, const char* const* argv) const {
  try {
    CLI::App app("Attune: language models that learn the people they talk to.", "attune");
    app.set_version_flag("--version", version_line());
    app.require_subcommand(1);
    CommonOptions common;
    std::map<std::string, CLI::App*> groups;
    std::vector<std::unique_ptr<Bound>> bound;
    for (const auto& entry : entries_) {
      CLI::App* parent = &app;
      std::string leaf = entry.name;
      if (const auto space = entry.name.find(' '); space != std::string::npos) {
        const std::string group = entry.name.substr(0, space);
        leaf = entry.name.substr(space + 1);
        CLI::App*& slot = groups[group];
        if (slot == nullptr) {
          slot = app.add_subcommand(group, "Verbs of " + group + ".");
          slot->require_subcommand(1);
        }
        parent = slot;
      }
      auto item = std::make_unique<Bound>();
      item->app = parent->add_subcommand(leaf, entry.help);
      item->body = entry.setup(item->spec);
      for (const auto& option : item->spec.list().options()) bind_option(*item->app, *option);
      add_common(*item->app, common);
      item->app->footer(footer_of(item->spec));
      bound.push_back(std::move(item));
    }
    std::map<std::string, std::string> spelled_out;
    for (const auto& item : bound) {
      for (const auto& option : item->spec.list().options()) {
        for (const auto& alias : option->aliases()) {
          if (is_long_short(alias)) spelled_out[alias] = option->flag();
        }
      }
    }
    std::vector<const char*> arguments(argv, argv + argc);
    for (const char*& argument : arguments) {
      if (const auto found = spelled_out.find(argument); found != spelled_out.end()) argument = found->second.c_str();
    }
    try {
      app.parse(argc, arguments.data());
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : kUsage;
    } catch (const Error& error) {  // an option refused its value
      std::fprintf(stderr, "attune: %s\n", error.what());
      return kUsage;
    }
    for (const auto& item : bound) {
      if (!item->app->parsed()) continue;
      try {
        item->spec.list().read_environment();
      } catch (const Error& error) {
        std::fprintf(stderr, "attune: %s\n", error.what());
        return kUsage;
      }
      if (!common.quiet) set_log_sink(stderr_log_sink(common.verbose ? LogLevel::kDebug : LogLevel::kWarning));
      TerminalProgress terminal;
      return item->body(CommandContext{common, common.quiet ? no_progress() : static_cast<ProgressSink&>(terminal)});
    }
    return kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attune: %s\n", error.what());
    return 1;
  }
}

std::string CommandSet::markdown() const {
  std::string out = "# Command line\n\nWritten by `attune docs > docs/cli.md`; do not edit.\n";
  for (const auto& entry : entries_) {
    CommandSpec spec;
    (void)entry.setup(spec);
    out += "\n## attune " + entry.name + "\n\n" + entry.help + "\n\n" + spec.list().markdown();
    if (!spec.examples().empty()) {
      out += "\n```\n";
      for (const auto& line : spec.examples()) out += line + "\n";
      out += "```\n";
    }
  }
  return out;
}

}  // namespace attune::cli
