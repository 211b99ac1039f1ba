// Pictures of a recommender's words: every picture is there, unknown names are refused. Skipped where gnuplot is not installed.
#include "eval/report/attributes_report.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "data/generated.h"
#include "people/als.h"
#include "people/soft_attributes_learn.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

namespace attune::eval {
namespace {

TEST(AttributesReport, DrawsEveryPictureAndRefusesUnknownNames) {
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) GTEST_SKIP() << "gnuplot is not installed";
  auto dataset = data::generate_dataset({.num_users = 200, .num_items = 300, .num_ratings = 12000, .rank = 4}).dataset;
  people::AlsOptions als = people::als_preset("ranking");
  als.rank = 8;
  als.sweeps = 5;
  ThreadPool pool(2);
  auto model = people::fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), als, pool);
  const auto recommender = std::make_shared<const people::Recommender>(std::move(dataset), std::move(model), people::TrainRecord{});
  const auto attributes =
      std::make_shared<const people::LearnedAttributes>(people::learn_attributes(*recommender, {}, {}, "now", pool, no_progress()));
  const test::TempFolder temp("words");
  const Path& folder = temp.path();
  ReportPage page("words");
  add_attributes(page, recommender, attributes, {}, folder);
  for (const char* name : {"spectra-1.svg", "senses.svg", "profile.svg", "trajectories.svg"}) {
    EXPECT_NE(read_file(folder / name).find("</svg>"), std::string::npos) << name;
  }
  const std::string word = attributes->attributes()[0].name;
  AttributesReportOptions named{{recommender->items().key(data::ItemIndex(3))}, recommender->users().key(data::UserIndex(5)), word};
  ReportPage second("words");
  add_attributes(second, recommender, attributes, named, folder);
  EXPECT_NE(second.html().find("&quot;" + word + "&quot; is "), std::string::npos);
  const auto refused = [&](const AttributesReportOptions& options, std::string_view part) {
    test::expect_error(ErrorCode::kNotFound, part, [&] { add_attributes(second, recommender, attributes, options, folder); });
  };
  refused({{"no such item"}, "", ""}, "no item \"no such item\"");
  refused({{}, "no such user", ""}, "no user");
  refused({{}, "", "no such word"}, "no such word");
}

}  // namespace
}  // namespace attune::eval
