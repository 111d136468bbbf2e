// SPDX-License-Identifier: BSL-1.0
// The tour, as the originals were written: `tour` lists the programs, `tour NAME...` and
// `tour all` run them, `tour --scale 0.01 NAME...` in a hundredth of the time.
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string_view>
#include <vector>

#include "tests/tour/programs.hpp"

namespace {

int list() {
  std::cout << "usage: tour [--scale FACTOR] all|NAME...\n\n";
  for (const tour::program& each : tour::programs())
    std::cout << "  " << std::left << std::setw(23) << each.name << each.shows << '\n';
  return 0;
}

void show(const tour::program& program, double scale) {
  std::cout << "--- " << program.name << ": " << program.shows << std::endl;
  const tour::stage on{std::cout, std::chrono::nanoseconds(static_cast<long long>(1e9 * scale))};
  const auto began = tour::clock::now();
  program.run(on);
  const std::chrono::duration<double> took = tour::clock::now() - began;
  std::cout << "--- " << std::fixed << std::setprecision(3) << took.count() << " s";
  if (program.in_a_row > program.seconds)
    std::cout << "; its waits in a row would be " << program.in_a_row * scale << " s";
  std::cout << "\n\n" << std::flush;
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string_view> names(argv + 1, argv + argc);
  double scale = 1;
  if (names.size() >= 2 && names[0] == "--scale") {
    scale = std::atof(argv[2]);
    names.erase(names.begin(), names.begin() + 2);
  }
  if (names.empty() || scale <= 0) return list();

  for (const std::string_view name : names) {
    bool found = false;
    for (const tour::program& each : tour::programs())
      if (name == "all" || name == each.name) {
        found = true;
        show(each, scale);
      }
    if (!found) {
      std::cerr << "tour: there is no " << name << "; `tour` lists what there is\n";
      return 2;
    }
  }
  return 0;
}
