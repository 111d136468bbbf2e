// SPDX-License-Identifier: BSL-1.0
// What became of each: a cancelled one among others.
#include <stdexcept>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"
#include "tests/tour/python.hpp"

namespace tour {
namespace {

double division(const stage& on, int divisor, int dividend) {
  if (divisor == 0) throw std::domain_error("division by zero");
  weft::sleep(divisor * on.second);
  const double quotient = double(dividend) / divisor;
  on.out << dividend << '/' << divisor << '=' << repr(quotient) << '\n';
  return quotient;
}

} // namespace

void return_exceptions(const stage& on) {
  weft::run([&] {
    const auto task1 = weft::spawn(division, on, 0, 2);
    const auto task2 = weft::spawn(division, on, 1, 5);
    const auto task3 = weft::spawn(division, on, 3, 6);
    const auto t = weft::gather_outcomes(task1, task2, task3);
    task1.cancel();

    on.out << repr(t.get()) << '\n';
  });
}

} // namespace tour
