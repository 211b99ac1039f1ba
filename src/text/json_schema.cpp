#include "text/json_schema.h"

#include <algorithm>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "text/grammar_builder_internal.h"
#include "text/schema_document_internal.h"
#include "text/schema_scalars_internal.h"

namespace attune::text {
namespace {

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
      if (scalars_.add_values(parts, value.start, end)) continue;
      const uint8_t kinds = scalars_.types_of(parts);
      if (kinds & types::kObject) builder_.call(value.start, object_rule(parts), end);
      if (kinds & types::kArray) builder_.call(value.start, array_rule(parts), end);
      if (kinds & types::kString) scalars_.add_string(parts, value.start, end);
      if (kinds & types::kInteger) scalars_.add_number(parts, (kinds & types::kFraction) == 0, value.start, end);
      if (kinds & types::kBoolean) {
        builder_.literal(value.start, "true", end);
        builder_.literal(value.start, "false", end);
      }
      if (kinds & types::kNull) builder_.literal(value.start, "null", end);
    }
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
    document_.count_work(dfa.states.size() * 8 + dfa.work / 4);
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
    const int64_t min = std::max<int64_t>(0, document_.largest(parts, "minItems"));
    const int64_t max = document_.least(parts, "maxItems");
    document_.check_order(parts, min, max, "minItems", "maxItems");
    int64_t chain = 1;
    for (const SchemaJson* part : parts) {
      const SchemaJson* prefix = document_.array(*part, "prefixItems");
      if (prefix != nullptr) chain = std::max(chain, static_cast<int64_t>(prefix->size()) + 1);
    }
    if (max != SchemaDocument::kUnlimited) chain = std::min(chain, max);
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
    if (max == SchemaDocument::kUnlimited || max > chain)
      add_loop(at, closing, rule(item(parts, static_cast<size_t>(chain))), min - chain, max - chain);
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
  ScalarSchemas scalars_{document_, builder_};
  std::deque<Pending> pending_;
  std::map<Conjunction, uint32_t> rules_, objects_, arrays_;
};

}  // namespace

std::shared_ptr<const Grammar> compile_json_schema(std::string_view schema, const JsonSchemaOptions& options) {
  return Compiler(schema, options).compile(cat(options.strict ? "strict " : "", schema));
}

std::shared_ptr<const Grammar> json_object_grammar() { return compile_json_schema(R"({"type": "object"})"); }

}  // namespace attune::text
