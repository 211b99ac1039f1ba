// Named factories, registered by explicit lists (a linker may drop self-registering objects of static libraries).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace attune {

template <class Factory>
class Registry {
 public:
  /// `kind` stands in messages: "policy", "dataset".
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  void add(std::string name, Factory factory) {
    check(factories_.emplace(name, std::move(factory)).second, ErrorCode::kInternal, "[registry] ", kind_, " ", name, " is registered twice");
  }
  /// Throws kNotFound and lists the known names.
  const Factory& get(std::string_view name) const {
    const auto found = factories_.find(name);
    if (found == factories_.end()) {
      std::string known;
      for (const auto& entry : factories_) known += (known.empty() ? "" : ", ") + entry.first;
      fail(ErrorCode::kNotFound, "[registry] unknown ", kind_, " ", name, ", known are: ", known);
    }
    return found->second;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : factories_) out.push_back(entry.first);
    return out;
  }

 private:
  std::string kind_;
  std::map<std::string, Factory, std::less<>> factories_;
};

}  // namespace attune
