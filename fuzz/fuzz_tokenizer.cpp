// Text from outside. The first byte picks what the rest is: 0 a text for the tokenizer, 1 a tokenizer.json, 2 a tokenizer.model, 3 a
// generated text with its stop strings, chat and transcript. Beyond crashes it checks what must hold for every input.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../tests/text/small_vocab.h"
#include "core/error.h"
#include "text/chat.h"
#include "text/fold.h"
#include "text/hf_tokenizer.h"
#include "text/stop.h"
#include "text/tokenizer.h"
#include "text/transcript.h"
#include "text/utf8.h"

namespace {

using namespace attune::text;

void require(bool condition) {
  if (!condition) std::abort();
}

/// What decode(encode(text)) must give: sanitized, U+2581 as space.
std::string expected_text(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    append_utf8(out, c.code == 0x2581 ? U' ' : c.code);
    at += c.size;
  }
  return out;
}

void check_encoding(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool control : {false, true}) {
    const auto ids = tokenizer.encode(text, {.allow_control = control, .allow_image_tokens = control});
    if (!control) {
      for (const int32_t id : ids) require(!tokenizer.is_control(id));
    }
    require(tokenizer.decode(ids, true) == expected_text(text));
  }
}

void fuzz_text(std::string_view text) {
  static const Vocab vocab = testing::small_vocab();
  static const Tokenizer tokenizer(vocab);
  static const testing::ReferenceEncoder reference(vocab);
  check_encoding(tokenizer, text);
  if (text.size() <= 64) require(tokenizer.encode(text) == reference.encode(text, false, false));
  const std::string folded = fold(text);
  require(is_valid_utf8(folded) && fold(folded) == folded);
}

void fuzz_file(std::string_view bytes, bool json) {
  try {
    const Tokenizer tokenizer(json ? vocab_from_tokenizer_json(bytes) : vocab_from_sentencepiece(bytes));
    for (const std::string_view text : {std::string_view("a  b\n<bos>"), bytes.substr(0, 256)}) {
      const auto ids = tokenizer.encode(text);
      tokenizer.decode(ids, true);
    }
  } catch (const attune::Error& error) {
    require(is_valid_utf8(error.what()));
  }
}

/// Fields are cut at byte 0: up to four stop strings, then the text.
void fuzz_streams(std::string_view data) {
  std::vector<std::string> stops;
  while (stops.size() < 4) {
    const size_t zero = data.find('\0');
    if (zero == std::string_view::npos) break;
    stops.emplace_back(data.substr(0, zero));
    data.remove_prefix(zero + 1);
  }
  try {
    const std::string clean = sanitize_utf8(data);
    const std::string expected = cut_at_stop(clean, stops);
    Utf8Stream stream;
    StopMatcher matcher(stops);
    std::string sent;
    bool stopped = false;
    const auto take = [&](const std::string& piece) {
      const auto result = matcher.feed(piece);
      require(is_valid_utf8(result.text));
      sent += result.text;
      stopped = result.stopped;
    };
    for (size_t at = 0; at < data.size(); ++at) take(stream.feed(data.substr(at, 1)));
    take(stream.finish());
    sent += matcher.finish();
    require(sent == expected);
  } catch (const attune::Error&) {
    // A bad list of stop strings.
  }
  const std::vector<ChatMessage> messages = {{"system", std::string(data)}, {"user", std::string(data)}};
  require(is_valid_utf8(transcript_text(messages).text));
  static const Tokenizer tokenizer(testing::small_vocab());
  size_t turns = 0;
  for (const int32_t id : render_chat(tokenizer, messages)) turns += id == 4 ? 1 : 0;
  require(turns == 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: fuzz_text(rest); break;
    case 1: fuzz_file(rest, true); break;
    case 2: fuzz_file(rest, false); break;
    default: fuzz_streams(rest); break;
  }
  return 0;
}
