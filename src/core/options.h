// One list of options serves the command-line parser, --help, the server's request schema and docs/cli.md.
//
// A component has a plain struct of fields with defaults and one function `void describe(OptionList&)` that names each field once:
//   list.add("temperature", temperature, "Softmax temperature; 0 is greedy.").alias("--temp").range(0, 100);
// Values are set from text (command line, environment, YAML) or from JSON scalars; a value of the wrong type or out of range throws
// kInvalidArgument naming option, value and range.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace attune {

enum class OptionType { kBool, kInt, kDouble, kString, kStringList };

class Option {
 public:
  /// Spelled `--name-with-dashes` on the command line; `name_with_underscores` in JSON and YAML.
  const std::string& name() const noexcept { return name_; }
  const std::string& help() const noexcept { return help_; }
  const std::vector<std::string>& aliases() const noexcept { return aliases_; }
  const std::string& unit() const noexcept { return unit_; }
  const std::vector<std::string>& choices() const noexcept { return choices_; }
  OptionType type() const noexcept;
  bool is_positional() const noexcept { return positional_; }
  bool is_required() const noexcept { return required_; }
  std::optional<double> min() const noexcept { return min_; }
  std::optional<double> max() const noexcept { return max_; }
  /// Command-line spelling: "--top-k".
  std::string flag() const;
  /// Environment variable that sets it: "ATTUNE_TOP_K".
  std::string env() const;
  /// Current value as text (the default before parsing).
  std::string value_text() const;
  /// "0 to 100", "one of f32, fast", or "".
  std::string range_text() const;

  Option& alias(std::string flag);                  ///< "-m" or "--temp"
  Option& range(double min, double max);            ///< inclusive; NaN is always refused
  Option& at_least(double min);
  Option& choices(std::vector<std::string> values); ///< of a string option
  Option& unit(std::string unit);
  Option& positional();
  Option& required();

  /// Sets the field. Throws kInvalidArgument.
  void set_text(std::string_view text);
  void set_bool(bool value);
  void set_number(double value, bool is_integer);
  void set_list(std::vector<std::string> values);
  /// Whether a set_ function was called.
  bool was_set() const noexcept { return was_set_; }

 private:
  friend class OptionList;
  using Field = std::variant<bool*, int32_t*, int64_t*, uint64_t*, float*, double*, std::string*, std::vector<std::string>*>;
  Option(std::string name, Field field, std::string help);
  [[noreturn]] void refuse(std::string_view value, std::string_view expected) const;
  void store_number(double value, bool is_integer, std::string_view shown);

  std::string name_;
  Field field_;
  std::string help_;
  std::vector<std::string> aliases_;
  std::vector<std::string> choices_;
  std::string unit_;
  std::optional<double> min_;
  std::optional<double> max_;
  bool positional_ = false;
  bool required_ = false;
  bool was_set_ = false;
};

/// The options of one component, bound to the fields of a live struct (which must outlive the list).
class OptionList {
 public:
  /// Field types: bool, int32_t, int64_t, uint64_t, float, double, std::string, std::vector<std::string>.
  template <class T>
  Option& add(std::string name, T& field, std::string help) {
    return add_option(std::move(name), Option::Field(&field), std::move(help));
  }

  const std::vector<std::unique_ptr<Option>>& options() const noexcept { return options_; }
  /// By name; null if absent.
  Option* find(std::string_view name) const noexcept;
  /// By name; kInvalidArgument listing the known names if absent.
  Option& get(std::string_view name) const;
  /// Reads the environment variable of each option that was not set yet.
  void read_environment();
  /// Checks every field as if its present value had been given as text: kInvalidArgument naming the option.
  void check_values();
  /// A Markdown table: option, default, range, help. What docs/cli.md is made of.
  std::string markdown() const;

 private:
  Option& add_option(std::string name, Option::Field field, std::string help);
  std::vector<std::unique_ptr<Option>> options_;
};

/// Throws kInvalidArgument naming the first field of `options` outside the range or choices that its describe() gives it.
template <class Options>
void check_option_ranges(Options options) {
  OptionList list;
  options.describe(list);
  list.check_values();
}

}  // namespace attune
