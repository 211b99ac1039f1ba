#include "lm/vocab_trie.h"

#include <algorithm>

#include "text/byte_automaton.h"

namespace attune::lm {
namespace {

constexpr size_t kMaxPieceBytes = 255;

bool is_text(text::PieceType type) {
  return type == text::PieceType::kNormal || type == text::PieceType::kUserDefined || type == text::PieceType::kByte;
}

}  // namespace

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> texts) {
  std::sort(texts.begin(), texts.end());
  nodes.push_back({0, 0, 0, 0});
  std::vector<size_t> path = {0};  // open nodes, by depth
  std::string_view previous;
  const auto close_to = [&](size_t depth) {
    while (path.size() > depth + 1) {
      nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
      path.pop_back();
    }
  };
  for (const auto& [bytes, id] : texts) {
    const auto common =
        static_cast<size_t>(std::mismatch(bytes.begin(), bytes.end(), previous.begin(), previous.end()).first - bytes.begin());
    close_to(common);
    for (size_t i = common; i < bytes.size(); ++i) {
      path.push_back(nodes.size());
      nodes.push_back({0, static_cast<uint32_t>(entries.size()), static_cast<uint8_t>(bytes[i]), static_cast<uint8_t>(i + 1)});
    }
    entries.push_back(id);
    previous = bytes;
  }
  close_to(0);
  nodes[0].end = static_cast<uint32_t>(nodes.size());
  nodes.push_back({static_cast<uint32_t>(nodes.size() + 1), static_cast<uint32_t>(entries.size()), 0, 0});
}

VocabTrie::VocabTrie(const text::Tokenizer& tokenizer) : begin_{0}, tokens_({}), closing_({}) {
  const text::Vocab& vocab = tokenizer.vocab();
  for (int32_t id = 0; id < vocab.size(); ++id) {
    if (is_text(vocab.types[static_cast<size_t>(id)])) {
      const std::string bytes = tokenizer.piece_bytes(id);
      if (bytes.size() <= kMaxPieceBytes) text_ += bytes;
    }
    begin_.push_back(static_cast<uint32_t>(text_.size()));
  }
  tokens_ = ByteTrie(texts());
  closing_ = ByteTrie(classify());
}

std::vector<std::pair<std::string_view, int32_t>> VocabTrie::texts() const {
  std::vector<std::pair<std::string_view, int32_t>> out;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (!bytes(id).empty()) out.emplace_back(bytes(id), id);
  }
  return out;
}

/// Fills inside_ and chars_; returns what closing tokens have behind their quote.
std::vector<std::pair<std::string_view, int32_t>> VocabTrie::classify() {
  namespace json_string = text::json_string;
  std::vector<std::pair<std::string_view, int32_t>> rests;
  chars_.resize(static_cast<size_t>(vocab_size()));
  inside_.emplace_back(num_words());
  for (int32_t id = 0; id < vocab_size(); ++id) {
    const std::string_view token = bytes(id);
    uint8_t place = json_string::kClean;
    uint8_t chars = 0;
    for (size_t i = 0; i < token.size(); ++i) {
      const bool begins = place == json_string::kClean;
      place = json_string::next(place, static_cast<uint8_t>(token[i]));
      if (place >= json_string::kClosed) {
        if (place == json_string::kClosed) rests.emplace_back(token.substr(i + 1), id);
        break;
      }
      if (begins) ++chars;
    }
    chars_[static_cast<size_t>(id)] = chars;
    if (token.empty() || place >= json_string::kClosed) continue;
    while (inside_.size() <= chars) inside_.emplace_back(num_words());
    inside_[chars][static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
  }
  for (size_t n = 1; n < inside_.size(); ++n) {
    for (size_t word = 0; word < num_words(); ++word) inside_[n][word] |= inside_[n - 1][word];
  }
  return rests;
}

size_t VocabTrie::memory_bytes() const noexcept {
  const auto trie = [](const ByteTrie& t) { return t.nodes.capacity() * sizeof(ByteTrie::Node) + t.entries.capacity() * sizeof(int32_t); };
  return text_.capacity() + begin_.capacity() * sizeof(uint32_t) + trie(tokens_) + trie(closing_) + chars_.capacity() +
         inside_.size() * num_words() * sizeof(uint64_t);
}

}  // namespace attune::lm
