// SPDX-License-Identifier: BSL-1.0
// One flat sequence of a string, a list, the keys of a map and a generator.
#include <list>
#include <map>
#include <ranges>
#include <string>
#include <variant>
#include <vector>

#include <weft/generator.hpp>

#include "tests/tour/programs.hpp"
#include "tests/tour/python.hpp"

namespace tour {
namespace {

using item = std::variant<std::string, int>;

weft::generator<item> gen() {
  return [](auto& yield) {
    const std::vector<std::string> astr{"A", "B", "C"};
    const std::list<int> alist{1, 2, 3};
    const std::vector<std::pair<std::string, int>> adict{{"name", 0}, {"age", 18}};
    weft::generator<item> agen([](auto& yield_inner) {
      for (int i = 4; i < 8; ++i)
        yield_inner(i);
    });
    yield.from(astr);
    yield.from(alist);
    yield.from(adict | std::views::keys);
    yield.from(agen);
  };
}

} // namespace

void yield_from(const stage& on) {
  std::vector<item> new_list;
  for (const item& each : gen())
    new_list.push_back(each);
  on.out << repr(new_list) << '\n';
}

} // namespace tour
