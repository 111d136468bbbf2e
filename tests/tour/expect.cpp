// SPDX-License-Identifier: BSL-1.0
#include "tests/tour/expect.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <stdexcept>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

const program& find(std::string_view name) {
  const auto all = programs();
  const auto found = std::ranges::find(all, name, &program::name);
  if (found == all.end()) throw std::invalid_argument("no program " + std::string(name));
  return *found;
}

/// Takes a number from the front of the text.
double take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && (std::isdigit(text[end]) || text[end] == '.'))
    ++end;
  const std::string digits(text.substr(0, end));
  text.remove_prefix(end);
  return digits.empty() ? -1 : std::stod(digits);
}

bool take_time_of_day(std::string_view& text) {
  constexpr std::string_view form = "00:00:00";
  if (text.size() < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] == ':' ? text[i] != ':' : !std::isdigit(text[i])) return false;
  text.remove_prefix(form.size());
  return true;
}

bool matches(std::string_view line, std::string_view wanted) {
  while (!wanted.empty()) {
    if (wanted.starts_with("%X")) {
      wanted.remove_prefix(2);
      if (!take_time_of_day(line)) return false;
    } else if (wanted.size() > 1 && wanted.front() == '~' && std::isdigit(wanted[1])) {
      wanted.remove_prefix(1);
      const double least = take_number(wanted);
      const double number = take_number(line);
      if (number < least || number > least + 0.95) return false;
    } else {
      if (line.empty() || line.front() != wanted.front()) return false;
      line.remove_prefix(1);
      wanted.remove_prefix(1);
    }
  }
  return line.empty();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

} // namespace

bool are(const std::vector<std::string>& lines, const std::vector<std::string>& wanted) {
  return std::ranges::equal(lines, wanted, matches);
}

void expect_output(std::string_view name,
                   const std::function<bool(const std::vector<std::string>&)>& is_right) {
  const program& program = find(name);
  std::string wrong;
  for (const int part : {100, 20, 2}) {
    std::ostringstream out;
    const stage on{out, std::chrono::nanoseconds(std::chrono::seconds(1)) / part};
    const auto began = clock::now();
    program.run(on);
    const double took = std::chrono::duration<double>(clock::now() - began) / on.second;
    ASSERT_GE(took, program.seconds) << name << " cannot be that fast";

    wrong.clear();
    if (!is_right(lines_of(out.str()))) wrong = "it printed\n" + out.str();
    if (program.in_a_row > program.seconds && took >= program.in_a_row)
      wrong += "it took " + std::to_string(took) + " s, and its waits in a row " +
               std::to_string(program.in_a_row) + " s\n";
    if (wrong.empty()) return;
  }
  ADD_FAILURE() << name << ": " << wrong;
}

void expect_lines(std::string_view name, const std::vector<std::string>& wanted) {
  SCOPED_TRACE(testing::PrintToString(wanted));
  expect_output(name, [&](const auto& lines) { return are(lines, wanted); });
}

} // namespace tour
