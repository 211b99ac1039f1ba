#include "net/request_parser.h"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "core/error.h"

namespace attune::net {
namespace {

namespace http = boost::beast::http;

/// A string body that grows with the bytes that arrive: a declared length alone allocates nothing.
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool is_request, class Fields>
    explicit reader(http::header<is_request, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& code) { code = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, boost::system::error_code& code) {
      code = {};
      size_t total = 0;
      for (const boost::asio::const_buffer buffer : boost::beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(buffer.data()), buffer.size());
        total += buffer.size();
      }
      return total;
    }
    void finish(boost::system::error_code& code) { code = {}; }

   private:
    value_type& body_;
  };
};

/// A chunk header longer than this without an end of line is refused.
constexpr size_t kMaxUnparsedBytes = 16 * 1024;

constexpr int kMaxEmptyLines = 16;

/// What is left of a chunked body has at least these bytes ("0", CRLF, CRLF), and the library asserts that it is given as many.
constexpr size_t kLeastChunkedBytes = 5;

struct Failure {
  int status;
  std::string message;
};

/// Checks one complete line of a head (without CRLF).
std::optional<Failure> check_line(std::string_view line, const HttpLimits& limits, bool is_first) {
  if (line.size() > static_cast<size_t>(limits.max_header_line_bytes)) {
    return Failure{431, cat("a header line has ", line.size(), " bytes, expected at most ", limits.max_header_line_bytes)};
  }
  if (!is_first && !line.empty() && (line.front() == ' ' || line.front() == '\t')) return Failure{400, "a header line is folded"};
  for (const char c : line) {
    if (c == '\0' || c == '\r') return Failure{400, "the head holds a control character"};
  }
  return std::nullopt;
}

Failure beast_failure(const boost::system::error_code& code) {
  if (code == http::error::body_limit) return {413, "the body is larger than this server accepts"};
  if (code == http::error::header_limit) return {431, "the head is larger than this server accepts"};
  if (code == http::error::bad_version) return {505, "expected HTTP/1.1 or HTTP/1.0"};
  return {400, cat("malformed request: ", code.message())};
}

}  // namespace

struct RequestParser::State {
  explicit State(const HttpLimits& options) : limits(options) {}

  using Parser = http::request_parser<GrowingBody>;

  HttpLimits limits;
  std::string buffer;       // bytes not consumed yet
  size_t scanned = 0;       // prefix of buffer whose lines were checked
  int num_lines = 0;
  int num_empty = 0;        // empty lines skipped before the request
  ParseState phase = ParseState::kIdle;
  std::optional<Parser> parser;
  Request request;
  bool expect_continue = false;
  int status = 0;
  std::string message;

  void refuse(int code, std::string text) {
    phase = ParseState::kError;
    status = code;
    message = std::move(text);
  }
  void refuse(Failure failure) { refuse(failure.status, std::move(failure.message)); }

  void run();
  bool scan_head();
  void parse_head(size_t head_bytes);
  void parse_body();
  std::optional<Failure> check_head();
  void reset_for_next() {
    parser.reset();
    request = {};
    scanned = 0;
    num_lines = 0;
    num_empty = 0;
    expect_continue = false;
    phase = ParseState::kIdle;
  }
};

// Looks for the end of the head. True when it was found and handed to parse_head.
bool RequestParser::State::scan_head() {
  for (;;) {
    const size_t end = buffer.find('\n', scanned);
    const size_t seen = end == std::string::npos ? buffer.size() : end + 1;
    if (seen > static_cast<size_t>(limits.max_header_bytes)) {
      refuse(431, cat("the head has more than ", limits.max_header_bytes, " bytes"));
      return false;
    }
    if (end == std::string::npos) {
      if (seen - scanned > static_cast<size_t>(limits.max_header_line_bytes) + 1) {
        refuse(431, cat("a header line has more than ", limits.max_header_line_bytes, " bytes"));
      }
      return false;
    }
    // The length counts first: an endless line is refused before its end is seen, and the verdict must not depend on the pieces.
    const bool has_return = end > scanned && buffer[end - 1] == '\r';
    const std::string_view line(buffer.data() + scanned, end - scanned - (has_return ? 1 : 0));
    if (!has_return && line.size() <= static_cast<size_t>(limits.max_header_line_bytes)) {
      refuse(400, "a header line ends without CR");
      return false;
    }
    const size_t line_begin = scanned;
    scanned = end + 1;
    if (line.empty() && num_lines == 0) {  // RFC 9112, section 2.2: empty lines before a request are skipped
      if (++num_empty > kMaxEmptyLines) {
        refuse(400, "expected a request line, found empty lines");
        return false;
      }
      buffer.erase(line_begin, 2);
      scanned = 0;
      if (buffer.empty()) phase = ParseState::kIdle;
      continue;
    }
    if (auto failure = check_line(line, limits, num_lines == 0)) {
      refuse(std::move(*failure));
      return false;
    }
    if (line.empty()) {
      parse_head(scanned);
      return phase != ParseState::kError;
    }
    if (++num_lines > limits.max_header_fields + 1) {
      refuse(431, cat("the head has more than ", limits.max_header_fields, " fields"));
      return false;
    }
  }
}

void RequestParser::State::parse_head(size_t head_bytes) {
  parser.emplace();
  parser->header_limit(static_cast<std::uint32_t>(limits.max_header_bytes) + 4);
  parser->body_limit(static_cast<std::uint64_t>(limits.max_body_bytes));
  boost::system::error_code code;
  const size_t used = parser->put(boost::asio::buffer(buffer.data(), head_bytes), code);
  if (code && code != http::error::need_more) return refuse(beast_failure(code));
  if (used != head_bytes || !parser->is_header_done()) return refuse(400, "malformed request head");
  buffer.erase(0, head_bytes);
  if (auto failure = check_head()) return refuse(std::move(*failure));
  phase = parser->is_done() ? ParseState::kDone : ParseState::kBody;
}

// Copies the head into `request` and refuses what the library lets through.
std::optional<Failure> RequestParser::State::check_head() {
  const auto& head = parser->get();
  request.method = std::string(head.method_string());
  request.target = std::string(head.target());
  request.version_minor = static_cast<int>(head.version()) - 10;
  request.keep_alive = head.keep_alive();
  for (const auto& field : head) request.headers.add(std::string(field.name_string()), std::string(field.value()));

  const int lengths = request.headers.count("Content-Length");
  const std::string* length = request.headers.find("Content-Length");
  if (lengths > 1 || (length != nullptr && !std::all_of(length->begin(), length->end(), [](char c) { return c >= '0' && c <= '9'; }))) {
    return Failure{400, "expected one Content-Length of digits"};
  }
  if (const std::string* coding = request.headers.find("Transfer-Encoding")) {
    if (length != nullptr) return Failure{400, "Content-Length and Transfer-Encoding exclude each other"};
    if (request.headers.count("Transfer-Encoding") > 1 || request.version_minor == 0) return Failure{400, "ambiguous Transfer-Encoding"};
    if (!equals_ignore_case(*coding, "chunked")) return Failure{501, "expected transfer coding chunked"};
  }
  const int hosts = request.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && request.version_minor == 1)) return Failure{400, "expected one Host field"};
  if (const std::string* expect = request.headers.find("Expect")) {
    if (!equals_ignore_case(*expect, "100-continue")) return Failure{417, "expected Expect: 100-continue"};
    expect_continue = request.version_minor == 1;
  }

  std::string_view target = request.target;
  if (target.empty() || (target.front() != '/' && target != "*")) return Failure{400, "expected a target that begins with /"};
  target = target.substr(0, target.find('#'));
  const size_t question = std::min(target.find('?'), target.size());
  request.path = std::string(target.substr(0, question));
  auto query = parse_query(target.substr(std::min(question + 1, target.size())));
  if (!query) return Failure{400, "the query holds a malformed escape"};
  request.query = std::move(*query);
  return std::nullopt;
}

void RequestParser::State::parse_body() {
  size_t offset = 0;  // one erase at the end: a body of tiny chunks must not cost a move of the buffer each
  while (offset < buffer.size() && !parser->is_done()) {
    if (parser->chunked() && buffer.size() - offset < kLeastChunkedBytes) break;
    boost::system::error_code code;
    const size_t used = parser->put(boost::asio::buffer(buffer.data() + offset, buffer.size() - offset), code);
    offset += used;
    if (code && code != http::error::need_more) return refuse(beast_failure(code));
    if (used == 0 && !parser->is_done()) {
      if (buffer.size() - offset > kMaxUnparsedBytes) return refuse(400, "a chunk header is too long");
      break;
    }
  }
  buffer.erase(0, offset);
  if (parser->is_done()) phase = ParseState::kDone;
}

void RequestParser::State::run() {
  if (phase == ParseState::kIdle && !buffer.empty()) phase = ParseState::kHead;
  if (phase == ParseState::kHead && !scan_head()) return;
  if (phase == ParseState::kBody) parse_body();
}

RequestParser::RequestParser(const HttpLimits& limits) : state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;

ParseState RequestParser::feed(std::string_view bytes) {
  if (state_->phase == ParseState::kError) return ParseState::kError;
  state_->buffer.append(bytes);
  if (state_->phase != ParseState::kDone) state_->run();
  return state_->phase;
}

ParseState RequestParser::state() const noexcept { return state_->phase; }
int RequestParser::status() const noexcept { return state_->status; }
const std::string& RequestParser::message() const noexcept { return state_->message; }
size_t RequestParser::buffered() const noexcept { return state_->buffer.size(); }

bool RequestParser::take_expect_continue() noexcept {
  const bool out = state_->phase == ParseState::kBody && state_->expect_continue;
  if (out) state_->expect_continue = false;
  return out;
}

Request RequestParser::take() {
  check(state_->phase == ParseState::kDone, ErrorCode::kInternal, "[request_parser] take called before a request was complete");
  state_->request.body = std::move(state_->parser->get().body());
  Request out = std::move(state_->request);
  state_->reset_for_next();
  state_->run();
  return out;
}

}  // namespace attune::net
