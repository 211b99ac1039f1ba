#include "eval/report/page.h"

#include "core/error.h"

namespace attune::eval {
namespace {

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;color:#1d1d1f;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}img{max-width:100%;height:auto;display:block;margin:1rem 0}"
    "table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}"
    "th,td{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top}th{border-bottom:2px solid #888}";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t n = 0; n < bytes.size(); n += 3) {
    const size_t rest = bytes.size() - n;
    const auto byte = [&](size_t k) { return k < rest ? static_cast<uint32_t>(static_cast<unsigned char>(bytes[n + k])) : 0U; };
    const uint32_t word = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (size_t k = 0; k < 4; ++k) out += k <= rest ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

ReportPage::ReportPage(std::string title) : title_(std::move(title)) {}

void ReportPage::heading(std::string_view text) { body_ += cat("<h2>", escaped(text), "</h2>\n"); }

void ReportPage::paragraph(std::string_view text) { body_ += cat("<p>", escaped(text), "</p>\n"); }

void ReportPage::table(const std::vector<std::vector<std::string>>& rows) {
  body_ += "<table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    check(rows[r].size() == rows[0].size(), ErrorCode::kInvalidArgument, "[report] row ", r, " of a table has ", rows[r].size(),
          " cells, the head has ", rows[0].size());
    const std::string_view tag = r == 0 ? "th" : "td";
    body_ += "<tr>";
    for (const auto& cell : rows[r]) body_ += cat("<", tag, ">", escaped(cell), "</", tag, ">");
    body_ += "</tr>\n";
  }
  body_ += "</table>\n";
}

void ReportPage::picture(std::string_view svg, std::string_view description) {
  body_ += cat("<img alt=\"", escaped(description), "\" src=\"data:image/svg+xml;base64,", base64(svg), "\">\n");
}

std::string ReportPage::html() const {
  return cat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
      escaped(title_), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<h1>", escaped(title_), "</h1>\n", body_,
      "</body>\n</html>\n");
}

}  // namespace attune::eval
