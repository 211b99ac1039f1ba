#include "text/json_schema.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "text/grammar_builder_internal.h"
#include "text/schema_document_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

// Types as bits. "number" is both of the last, "integer" the last.
constexpr uint8_t kObject = 1;
constexpr uint8_t kArray = 2;
constexpr uint8_t kString = 4;
constexpr uint8_t kBoolean = 8;
constexpr uint8_t kNull = 16;
constexpr uint8_t kFraction = 32;
constexpr uint8_t kInteger = 64;
constexpr uint8_t kAll = 127;

struct TypeName {
  std::string_view name;
  uint8_t bits;
};
constexpr TypeName kTypes[] = {{"object", kObject},
                               {"array", kArray},
                               {"string", kString},
                               {"boolean", kBoolean},
                               {"null", kNull},
                               {"integer", kInteger},
                               {"number", kFraction | kInteger}};

/// Types that a keyword speaks about: a schema without "type" is read as one of the types that its keywords speak about.
constexpr TypeName kImplied[] = {{"properties", kObject},
                                 {"required", kObject},
                                 {"additionalProperties", kObject},
                                 {"items", kArray},
                                 {"prefixItems", kArray},
                                 {"minItems", kArray},
                                 {"maxItems", kArray},
                                 {"minLength", kString},
                                 {"maxLength", kString},
                                 {"pattern", kString},
                                 {"format", kString},
                                 {"minimum", kFraction | kInteger},
                                 {"maximum", kFraction | kInteger},
                                 {"exclusiveMinimum", kFraction | kInteger},
                                 {"exclusiveMaximum", kFraction | kInteger}};

uint8_t type_of(const SchemaJson& value) {
  switch (value.type()) {
    case SchemaJson::value_t::object: return kObject;
    case SchemaJson::value_t::array: return kArray;
    case SchemaJson::value_t::string: return kString;
    case SchemaJson::value_t::boolean: return kBoolean;
    case SchemaJson::value_t::null: return kNull;
    case SchemaJson::value_t::number_float: return value.get<double>() == std::floor(value.get<double>()) ? kInteger : kFraction;
    default: return kInteger;
  }
}

constexpr int64_t kUnlimited = -1;

class Compiler {
 public:
  Compiler(std::string_view schema, const JsonSchemaOptions& options) : document_(schema), options_(options) {}

  std::shared_ptr<const Grammar> compile(std::string source) {
    const uint32_t root = rule({&document_.root()});
    while (!pending_.empty()) {
      const Pending next = std::move(pending_.front());
      pending_.pop_front();
      compile_value(next);
    }
    return builder_.finish(root, std::move(source));
  }

 private:
  struct Pending {
    Conjunction schemas;
    uint32_t start;  // node
  };

  /// The rule for documents that fulfil all schemas; compiled later.
  uint32_t rule(Conjunction schemas) {
    document_.count_work(1 + schemas.size());
    const auto [found, is_new] = rules_.try_emplace(schemas, 0);
    if (is_new) {
      found->second = builder_.add_rule(false);
      pending_.push_back({std::move(schemas), builder_.start(found->second)});
    }
    return found->second;
  }

  void compile_value(const Pending& value) {
    const uint32_t end = builder_.add_node();
    builder_.end(end);
    for (const Conjunction& parts : document_.alternatives(value.schemas)) {
      if (add_values(parts, value.start, end)) continue;
      const uint8_t types = types_of(parts);
      if (types & kObject) builder_.call(value.start, object_rule(parts), end);
      if (types & kArray) builder_.call(value.start, array_rule(parts), end);
      if (types & kString) add_string(parts, value.start, end);
      if (types & kInteger) add_number(parts, (types & kFraction) == 0, value.start, end);
      if (types & kBoolean) {
        builder_.literal(value.start, "true", end);
        builder_.literal(value.start, "false", end);
      }
      if (types & kNull) builder_.literal(value.start, "null", end);
    }
  }

  uint8_t named_types(const SchemaJson& schema, const SchemaJson& type) {
    uint8_t bits = 0;
    const auto add = [&](const SchemaJson& name) {
      const auto known = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) { return name == t.name; });
      if (known == std::end(kTypes)) {
        document_.refuse(schema, ErrorCode::kInvalidArgument, "'type' must be object, array, string, number, integer, boolean or null");
      }
      bits |= known->bits;
    };
    if (!type.is_array()) {
      add(type);
    } else {
      for (const SchemaJson& name : type) add(name);
    }
    return bits;
  }

  uint8_t types_of(const Conjunction& parts) {
    uint8_t types = kAll;
    uint8_t implied = 0;
    bool typed = false;
    for (const SchemaJson* part : parts) {
      if (const SchemaJson* type = document_.find(*part, "type")) {
        types &= named_types(*part, *type);
        typed = true;
      }
      for (const TypeName& keyword : kImplied) {
        if (document_.find(*part, keyword.name.data()) != nullptr) implied |= keyword.bits;
      }
    }
    return typed || implied == 0 ? types : implied;
  }

  /// enum and const. False if there is neither.
  bool add_values(const Conjunction& parts, uint32_t from, uint32_t to) {
    std::vector<std::vector<const SchemaJson*>> lists;
    for (const SchemaJson* part : parts) {
      if (const SchemaJson* value = document_.find(*part, "const")) lists.push_back({value});
      const SchemaJson* values = document_.array(*part, "enum");
      if (values == nullptr) continue;
      lists.emplace_back();
      for (const SchemaJson& value : *values) lists.back().push_back(&value);
      document_.count_work(values->size());
    }
    if (lists.empty()) return false;
    uint8_t types = kAll;
    for (const SchemaJson* part : parts) {
      if (const SchemaJson* type = document_.find(*part, "type")) types &= named_types(*part, *type);
      for (const TypeName& keyword : kImplied) {
        if (document_.find(*part, keyword.name.data()) == nullptr) continue;
        document_.refuse(*part, ErrorCode::kUnsupported, "'", keyword.name, "' beside 'enum' or 'const' is not supported");
      }
    }
    std::vector<std::string> texts;
    for (const SchemaJson* value : lists[0]) {
      const bool everywhere = std::all_of(lists.begin() + 1, lists.end(), [&](const auto& list) {
        document_.count_work(list.size());
        return std::any_of(list.begin(), list.end(), [&](const SchemaJson* other) { return *other == *value; });
      });
      if (everywhere && (types & type_of(*value)) != 0) texts.push_back(value->dump());
    }
    if (!texts.empty()) builder_.lexeme(from, builder_.add_dfa(any_of(texts)), to);
    return true;
  }

  /// The largest (or least) of a keyword's numbers; kUnlimited if none has it.
  int64_t largest(const Conjunction& parts, const char* name) {
    int64_t out = kUnlimited;
    for (const SchemaJson* part : parts) out = std::max(out, document_.natural(*part, name));
    return out;
  }
  int64_t least(const Conjunction& parts, const char* name) {
    int64_t out = kUnlimited;
    for (const SchemaJson* part : parts) {
      const int64_t value = document_.natural(*part, name);
      if (value != kUnlimited && (out == kUnlimited || value < out)) out = value;
    }
    return out;
  }
  void check_order(const Conjunction& parts, int64_t min, int64_t max, const char* min_name, const char* max_name) {
    if (max != kUnlimited && min > max) {
      document_.refuse(*parts[0], ErrorCode::kInvalidArgument, "'", min_name, "' is ", min, ", '", max_name, "' is ", max);
    }
  }

  void add_string(const Conjunction& parts, uint32_t from, uint32_t to) {
    const int64_t min = std::max<int64_t>(0, largest(parts, "minLength"));
    const int64_t max = least(parts, "maxLength");
    check_order(parts, min, max, "minLength", "maxLength");
    std::optional<std::string> pattern;
    for (const SchemaJson* part : parts) {
      for (const char* name : {"pattern", "format"}) {
        const std::string* text = document_.string(*part, name);
        if (text == nullptr) continue;
        const std::string expression = std::string_view(name) == "pattern" ? *text : std::string(format_pattern(*text));
        if (expression.empty() && std::string_view(name) == "format") {
          document_.refuse(*part, ErrorCode::kUnsupported, "the format '", excerpt(*text), "' is not supported, expected one of ",
                           known_formats());
        }
        if (pattern && *pattern != expression) {
          document_.refuse(*part, ErrorCode::kUnsupported, "more than one pattern or format for a string is not supported");
        }
        pattern = expression;
      }
    }
    const auto limit = max == kUnlimited ? kNoLimit : static_cast<uint32_t>(max);
    const uint32_t inside = builder_.add_node();
    builder_.literal(from, "\"", inside);
    if (!pattern) return builder_.string(inside, static_cast<uint32_t>(min), limit, to);
    const auto key = std::tuple(*pattern, min, max);
    auto found = patterns_.find(key);
    if (found == patterns_.end()) {
      const Dfa dfa = with_context([&] { return cat("compiling ", excerpt(*pattern)); },
                                   [&] { return close_content(pattern_content(*pattern), static_cast<uint32_t>(min), limit); });
      document_.count_work(dfa.states.size() * 8);
      found = patterns_.emplace(key, builder_.add_dfa(dfa)).first;
    }
    builder_.lexeme(inside, found->second, to);
  }

  /// A bound as the largest whole number below (or the least above) it and whether that number is outside, for whole and other numbers.
  std::optional<DecimalBound> bound(const SchemaJson& schema, const char* name, bool open, bool is_low, bool integer) {
    const SchemaJson* value = document_.find(schema, name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number())
      document_.refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be a number, found ", value->type_name());
    const double number = value->get<double>();
    if (std::abs(number) > static_cast<double>(kMaxDecimalBound)) {
      document_.refuse(schema, ErrorCode::kUnsupported, "'", name, "' beyond 15 digits is not supported");
    }
    const auto whole = static_cast<int64_t>(is_low ? std::ceil(number) : std::floor(number));
    const bool is_whole = number == static_cast<double>(whole);
    if (!integer) {
      if (!is_whole) document_.refuse(schema, ErrorCode::kUnsupported, "'", name, "' of numbers must be a whole number");
      return DecimalBound{whole, open};
    }
    return DecimalBound{open && is_whole ? whole + (is_low ? 1 : -1) : whole, false};
  }

  void add_number(const Conjunction& parts, bool integer, uint32_t from, uint32_t to) {
    std::optional<DecimalBound> low, high;
    for (const SchemaJson* part : parts) {
      for (const bool open : {false, true}) {
        const auto min = bound(*part, open ? "exclusiveMinimum" : "minimum", open, true, integer);
        if (min && (!low || min->value > low->value || (min->value == low->value && open))) low = min;
        const auto max = bound(*part, open ? "exclusiveMaximum" : "maximum", open, false, integer);
        if (max && (!high || max->value < high->value || (max->value == high->value && open))) high = max;
      }
    }
    if (!integer && !low && !high) return builder_.lexeme(from, builder_.number(), to);
    const auto key =
        std::tuple(integer, low ? low->value : INT64_MIN, low && low->open, high ? high->value : INT64_MAX, high && high->open);
    auto found = numbers_.find(key);
    if (found == numbers_.end()) {
      const Dfa dfa = integer ? integer_range(low ? low->value : INT64_MIN, high ? high->value : INT64_MAX)
                              : decimal_range(low ? &*low : nullptr, high ? &*high : nullptr);
      document_.count_work(dfa.states.size() * 8);
      found = numbers_.emplace(key, builder_.add_dfa(dfa)).first;
    }
    builder_.lexeme(from, found->second, to);
  }

  struct Property {
    std::string name;
    Conjunction schemas;
    bool required = false;
  };

  /// Properties in the order declared, then those that are only required. `extra`: schemas of all other names; null: none are allowed.
  std::vector<Property> properties_of(const Conjunction& parts, std::optional<Conjunction>& extra) {
    std::vector<Property> out;
    std::map<std::string_view, size_t> index;
    const auto entry = [&](const std::string& name) -> Property& {
      const auto [found, is_new] = index.try_emplace(name, out.size());
      if (is_new) out.push_back({name, {}, false});
      return out[found->second];
    };
    bool mentioned = false;
    for (const SchemaJson* part : parts) {
      if (const SchemaJson* properties = document_.object(*part, "properties")) {
        for (const auto& [name, schema] : properties->items()) entry(name);
        document_.count_work(properties->size());
      }
      if (const SchemaJson* required = document_.array(*part, "required")) {
        for (const SchemaJson& name : *required) {
          if (!name.is_string()) document_.refuse(*part, ErrorCode::kInvalidArgument, "'required' must hold names");
          entry(name.get_ref<const std::string&>()).required = true;
        }
        document_.count_work(required->size());
      }
    }
    extra.emplace();
    for (const SchemaJson* part : parts) {
      std::map<std::string_view, const SchemaJson*> own;
      if (const SchemaJson* properties = document_.object(*part, "properties")) {
        for (const auto& [name, schema] : properties->items()) own.emplace(name, &schema);
      }
      const SchemaJson* others = document_.find(*part, "additionalProperties");
      mentioned = mentioned || others != nullptr;
      document_.count_work(out.size());
      for (Property& property : out) {
        const auto found = own.find(property.name);
        const SchemaJson* schema = found != own.end() ? found->second : others;
        if (schema != nullptr) property.schemas.push_back(schema);
      }
      if (others != nullptr) extra->push_back(others);
    }
    const auto is_false = [](const SchemaJson* schema) { return schema->is_boolean() && !schema->get<bool>(); };
    if ((options_.strict && !mentioned) || std::any_of(extra->begin(), extra->end(), is_false)) extra.reset();
    return out;
  }

  // Nodes: first[i] inside the braces before anything was written, next[i] behind a comma, both where property i is the next that may come;
  // after[i] behind a value. The last index: all declared properties are done.
  uint32_t object_rule(const Conjunction& parts) {
    const auto known = objects_.find(parts);
    if (known != objects_.end()) return known->second;
    std::optional<Conjunction> extra;
    const std::vector<Property> properties = properties_of(parts, extra);
    const uint32_t out = builder_.add_rule(true);
    objects_.emplace(parts, out);
    const size_t n = properties.size();
    std::vector<uint32_t> first, next, after;
    for (size_t i = 0; i <= n; ++i) {
      first.push_back(builder_.add_node());
      next.push_back(builder_.add_node());
      after.push_back(builder_.add_node());
    }
    const uint32_t closing = builder_.add_node();
    const uint32_t end = builder_.add_node();
    builder_.end(end);
    builder_.literal(closing, "}", end);
    open(builder_.start(out), "{", first[0]);
    bool may_end = true;
    for (size_t i = n + 1; i-- > 0;) {
      if (i < n) {
        may_end = may_end && !properties[i].required;
        const uint32_t value = rule(properties[i].schemas);
        const uint32_t named = builder_.add_node();
        const std::string name = SchemaJson(properties[i].name).dump() + ":";
        for (const uint32_t from : {first[i], next[i]}) {
          builder_.literal(from, name, named);
          if (!properties[i].required) builder_.epsilon(from, from == first[i] ? first[i + 1] : next[i + 1]);
        }
        member(named, value, after[i + 1]);
      } else if (extra) {
        const uint32_t named = builder_.add_node();
        for (const uint32_t from : {first[n], next[n]}) {
          const uint32_t inside = builder_.add_node();
          const uint32_t closed = builder_.add_node();
          builder_.literal(from, "\"", inside);
          other_name(properties, inside, closed);
          builder_.literal(closed, ":", named);
        }
        member(named, rule(*extra), after[n]);
      }
      open(after[i], ",", next[i]);
      if (may_end) builder_.lexeme(after[i], builder_.white_space(), closing);
    }
    if (may_end) builder_.epsilon(first[0], closing);
    return out;
  }

  /// The inside and the closing quote of a name that is none of the properties'.
  void other_name(const std::vector<Property>& properties, uint32_t from, uint32_t to) {
    if (properties.empty()) return builder_.string(from, 0, kNoLimit, to);
    std::vector<std::string> names;
    for (const Property& property : properties) names.push_back(property.name);
    const Dfa dfa = text::other_name(names);
    document_.count_work(dfa.states.size() * 8);
    builder_.lexeme(from, builder_.add_dfa(dfa), to);
  }

  /// A punctuation mark and white space behind it.
  void open(uint32_t from, std::string_view mark, uint32_t to) {
    const uint32_t between = builder_.add_node();
    builder_.literal(from, mark, between);
    builder_.lexeme(between, builder_.white_space(), to);
  }
  /// What follows "name":
  void member(uint32_t from, uint32_t value, uint32_t to) {
    const uint32_t between = builder_.add_node();
    builder_.lexeme(from, builder_.optional_space(), between);
    builder_.call(between, value, to);
  }

  /// Schemas of item i.
  Conjunction item(const Conjunction& parts, size_t i) {
    Conjunction out;
    for (const SchemaJson* part : parts) {
      const SchemaJson* prefix = document_.array(*part, "prefixItems");
      const SchemaJson* items = document_.find(*part, "items");
      if (prefix != nullptr && i < prefix->size()) {
        out.push_back(&(*prefix)[i]);
      } else if (items != nullptr) {
        out.push_back(items);
      }
    }
    return out;
  }

  // Items that differ, and one more, form a chain; further ones a loop that counts. What minItems demands first stands in the chain, so that a
  // list begins only where its items fit (depth): items of the loop are as deep as the last of the chain.
  uint32_t array_rule(const Conjunction& parts) {
    const auto known = arrays_.find(parts);
    if (known != arrays_.end()) return known->second;
    const int64_t min = std::max<int64_t>(0, largest(parts, "minItems"));
    const int64_t max = least(parts, "maxItems");
    check_order(parts, min, max, "minItems", "maxItems");
    int64_t chain = 1;
    for (const SchemaJson* part : parts) {
      const SchemaJson* prefix = document_.array(*part, "prefixItems");
      if (prefix != nullptr) chain = std::max(chain, static_cast<int64_t>(prefix->size()) + 1);
    }
    if (max != kUnlimited) chain = std::min(chain, max);
    const uint32_t out = builder_.add_rule(true);
    arrays_.emplace(parts, out);
    const uint32_t closing = builder_.add_node();
    const uint32_t end = builder_.add_node();
    builder_.end(end);
    builder_.literal(closing, "]", end);
    uint32_t at = builder_.add_node();
    open(builder_.start(out), "[", at);
    if (min == 0) builder_.epsilon(at, closing);
    for (int64_t i = 0; i < chain; ++i) {
      uint32_t before = at;
      if (i > 0) {
        before = builder_.add_node();
        open(at, ",", before);
      }
      at = builder_.add_node();
      builder_.call(before, rule(item(parts, static_cast<size_t>(i))), at);
      if (i + 1 >= min) builder_.lexeme(at, builder_.white_space(), closing);
    }
    if (max == kUnlimited || max > chain) add_loop(at, closing, rule(item(parts, static_cast<size_t>(chain))), min - chain, max - chain);
    return out;
  }

  /// Further items behind `at`: at least `min` (if above 0), at most `max` (below 0: any number).
  void add_loop(uint32_t at, uint32_t closing, uint32_t value, int64_t min, int64_t max) {
    const uint32_t loop = builder_.add_node();
    const uint32_t before = builder_.add_node();
    const uint32_t read = builder_.add_node();
    const auto cap = static_cast<uint32_t>(std::max<int64_t>({min, max, 1}));
    builder_.epsilon(at, loop);
    uint32_t more = loop;
    if (max > 0) {
      more = builder_.add_node();
      builder_.below(loop, static_cast<uint32_t>(max), more);
    }
    open(more, ",", before);
    builder_.call(before, value, read);
    builder_.count(read, cap, loop);
    const uint32_t enough = builder_.add_node();
    builder_.at_least(loop, static_cast<uint32_t>(std::max<int64_t>(min, 1)), enough);
    builder_.lexeme(enough, builder_.white_space(), closing);
  }

  SchemaDocument document_;
  JsonSchemaOptions options_;
  GrammarBuilder builder_;
  std::deque<Pending> pending_;
  std::map<Conjunction, uint32_t> rules_, objects_, arrays_;
  std::map<std::tuple<std::string, int64_t, int64_t>, uint32_t> patterns_;
  std::map<std::tuple<bool, int64_t, bool, int64_t, bool>, uint32_t> numbers_;
};

}  // namespace

std::shared_ptr<const Grammar> compile_json_schema(std::string_view schema, const JsonSchemaOptions& options) {
  return Compiler(schema, options).compile(cat(options.strict ? "strict " : "", schema));
}

std::shared_ptr<const Grammar> json_object_grammar() { return compile_json_schema(R"({"type": "object"})"); }

}  // namespace attune::text
