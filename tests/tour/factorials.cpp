// SPDX-License-Identifier: BSL-1.0
// Three computations that take turns.
#include <string>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

int factorial(const stage& on, const std::string& name, int number) {
  int f = 1;
  for (int i = 2; i <= number; ++i) {
    on.out << "Task " << name << ": Compute factorial(" << i << ")...\n";
    weft::sleep(on.second);
    f *= i;
  }
  on.out << "Task " << name << ": factorial(" << number << ") = " << f << '\n';
  return f;
}

} // namespace

void factorials(const stage& on) {
  weft::run([&] {
    weft::gather([&] { return factorial(on, "A", 2); }, [&] { return factorial(on, "B", 3); },
                 [&] { return factorial(on, "C", 4); })
        .get();
  });
}

} // namespace tour
