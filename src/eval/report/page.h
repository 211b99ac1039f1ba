// One HTML file that needs nothing else: text, tables and pictures (SVG inside the file).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune::eval {

class ReportPage {
 public:
  explicit ReportPage(std::string title);

  /// All text is escaped.
  void heading(std::string_view text);
  void paragraph(std::string_view text);
  /// First row = head. Rows of one length.
  void table(const std::vector<std::vector<std::string>>& rows);
  /// An SVG as an image, so that nothing in it runs or clashes with other pictures. `description` is read out by screen readers.
  void picture(std::string_view svg, std::string_view description);
  std::string html() const;

 private:
  std::string title_;
  std::string body_;
};

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

}  // namespace attune::eval
