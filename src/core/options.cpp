#include "core/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace attune {
namespace {

template <class... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};
template <class... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;

std::string replace_all(std::string text, char from, char to) {
  std::replace(text.begin(), text.end(), from, to);
  return text;
}

}  // namespace

Option::Option(std::string name, Field field, std::string help) : name_(std::move(name)), field_(field), help_(std::move(help)) {}

OptionType Option::type() const noexcept {
  return std::visit(Overloaded{
                        [](bool*) { return OptionType::kBool; },
                        [](int32_t*) { return OptionType::kInt; },
                        [](int64_t*) { return OptionType::kInt; },
                        [](uint64_t*) { return OptionType::kInt; },
                        [](float*) { return OptionType::kDouble; },
                        [](double*) { return OptionType::kDouble; },
                        [](std::string*) { return OptionType::kString; },
                        [](std::vector<std::string>*) { return OptionType::kStringList; },
                    },
                    field_);
}

std::string Option::flag() const { return "--" + replace_all(name_, '_', '-'); }

std::string Option::env() const {
  std::string out = "ATTUNE_" + replace_all(name_, '-', '_');
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

std::string Option::value_text() const {
  return std::visit(Overloaded{
                        [](bool* v) -> std::string { return *v ? "true" : "false"; },
                        [](std::string* v) { return *v; },
                        [](float* v) {
                          char buffer[32];
                          return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), *v).ptr);
                        },
                        [](std::vector<std::string>* v) {
                          std::string out;
                          for (const auto& value : *v) out += (out.empty() ? "" : ",") + value;
                          return out;
                        },
                        [](auto* v) { return cat(*v); },
                    },
                    field_);
}

std::string Option::range_text() const {
  if (!choices_.empty()) {
    std::string out = "one of ";
    for (size_t i = 0; i < choices_.size(); ++i) out += (i > 0 ? ", " : "") + choices_[i];
    return out;
  }
  if (min_ && max_) return cat(*min_, " to ", *max_);
  if (min_) return cat("at least ", *min_);
  return "";
}

Option& Option::alias(std::string flag) {
  aliases_.push_back(std::move(flag));
  return *this;
}
Option& Option::range(double min, double max) {
  min_ = min;
  max_ = max;
  return *this;
}
Option& Option::at_least(double min) {
  min_ = min;
  return *this;
}
Option& Option::choices(std::vector<std::string> values) {
  choices_ = std::move(values);
  return *this;
}
Option& Option::unit(std::string unit) {
  unit_ = std::move(unit);
  return *this;
}
Option& Option::positional() {
  positional_ = true;
  return *this;
}
Option& Option::required() {
  required_ = true;
  return *this;
}

void Option::refuse(std::string_view value, std::string_view expected) const {
  fail(ErrorCode::kInvalidArgument, "[option] ", name_, " is ", value, ", expected ", expected);
}

void Option::store_number(double value, bool is_integer, std::string_view shown) {
  const std::string range = range_text();
  const std::string expected = range.empty() ? std::string("a finite number") : range;
  if (!std::isfinite(value) || (min_ && value < *min_) || (max_ && value > *max_)) refuse(shown, expected);
  std::visit(
      Overloaded{
          [&](float* v) { *v = static_cast<float>(value); },
          [&](double* v) { *v = value; },
          [&](bool*) { refuse(shown, "true or false"); },
          [&](std::string*) { refuse(shown, "text"); },
          [&](std::vector<std::string>*) { refuse(shown, "a list of texts"); },
          [&](auto* v) {
            using T = std::remove_reference_t<decltype(*v)>;
            if (!is_integer && value != std::floor(value)) refuse(shown, "a whole number");
                   // 2^64 and 2^63 as doubles are exact; values at or above them would wrap.
            if (value < static_cast<double>(std::numeric_limits<T>::min()) || value >= std::ldexp(1.0, std::numeric_limits<T>::digits)) {
              refuse(shown, "a smaller whole number");
            }
            *v = static_cast<T>(value);
          },
      },
      field_);
  was_set_ = true;
}

void Option::set_number(double value, bool is_integer) { store_number(value, is_integer, cat(value)); }

void Option::set_bool(bool value) {
  bool** field = std::get_if<bool*>(&field_);
  if (field == nullptr) refuse(value ? "true" : "false", type() == OptionType::kString ? "text" : "a number");
  **field = value;
  was_set_ = true;
}

void Option::set_list(std::vector<std::string> values) {
  auto** field = std::get_if<std::vector<std::string>*>(&field_);
  if (field == nullptr) refuse("a list", "one value");
  **field = std::move(values);
  was_set_ = true;
}

void Option::set_text(std::string_view text) {
  switch (type()) {
    case OptionType::kString:
      if (!choices_.empty() && std::find(choices_.begin(), choices_.end(), text) == choices_.end()) refuse(text, range_text());
      *std::get<std::string*>(field_) = text;
      was_set_ = true;
      return;
    case OptionType::kStringList:
      std::get<std::vector<std::string>*>(field_)->emplace_back(text);
      was_set_ = true;
      return;
    case OptionType::kBool:
      if (text == "true" || text == "1" || text == "yes" || text == "on") return set_bool(true);
      if (text == "false" || text == "0" || text == "no" || text == "off") return set_bool(false);
      refuse(text, "true or false");
    case OptionType::kInt:
    case OptionType::kDouble: break;
  }
  if (type() == OptionType::kInt) {  // 64-bit seeds do not fit in a double: exact path first
    if (auto** field = std::get_if<uint64_t*>(&field_)) {
      uint64_t exact = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), exact);
      if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) refuse(text, "a whole number of at least 0");
      if ((min_ && static_cast<double>(exact) < *min_) || (max_ && static_cast<double>(exact) > *max_)) refuse(text, range_text());
      **field = exact;
      was_set_ = true;
      return;
    }
  }
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    refuse(text, type() == OptionType::kInt ? "a whole number" : "a number");
  }
  store_number(value, false, text);
}

Option& OptionList::add_option(std::string name, Option::Field field, std::string help) {
  check(find(name) == nullptr, ErrorCode::kInternal, "[options] ", name, " is listed twice");
  options_.emplace_back(new Option(std::move(name), field, std::move(help)));
  return *options_.back();
}

Option* OptionList::find(std::string_view name) const noexcept {
  for (const auto& option : options_) {
    if (option->name() == name) return option.get();
  }
  return nullptr;
}

Option& OptionList::get(std::string_view name) const {
  if (Option* option = find(name)) return *option;
  std::string known;
  for (const auto& option : options_) known += (known.empty() ? "" : ", ") + option->name();
  fail(ErrorCode::kInvalidArgument, "[options] unknown option ", name, ", known are: ", known);
}

void OptionList::read_environment() {
  for (const auto& option : options_) {
    if (option->was_set() || option->is_positional()) continue;
    if (const char* value = std::getenv(option->env().c_str()); value != nullptr) option->set_text(value);
  }
}

void OptionList::check_values() {
  for (const auto& option : options_) option->set_text(option->value_text());
}

std::string OptionList::markdown() const {
  std::string out = "| Option | Default | Range | Meaning |\n|---|---|---|---|\n";
  for (const auto& option : options_) {
    std::string flags = "`" + (option->is_positional() ? option->name() : option->flag()) + "`";
    for (const auto& alias : option->aliases()) flags += ", `" + alias + "`";
    const std::string value = option->value_text();
    out += cat("| ", flags, " | ", value.empty() ? "" : "`" + value + "`", option->unit().empty() ? "" : " " + option->unit(), " | ",
               option->range_text(), " | ", option->help(), " |\n");
  }
  return out;
}

}  // namespace attune
