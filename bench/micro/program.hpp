// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

/// What every program of micro-benchmarks does with its command line, whatever its language:
///
///     PROGRAM CASE SECONDS
///
/// measures a case for about so long and prints one line of JSON, {"case": ..., "ns": ...}, the
/// processor time of one operation, with further figures of the case, if it has any. Without such
/// a case it prints {} and ends with 0. One of C++ takes Google Benchmark's own options as well.
namespace bench {

/// The fastest repetition as that line.
class line_reporter : public benchmark::BenchmarkReporter {
 public:
  explicit line_reporter(std::string name) : name_(std::move(name)) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      if (run.error_occurred) {
        std::fprintf(stderr, "%s: %s\n", name_.c_str(), run.error_message.c_str());
        failed_ = true;
        continue;
      }
      const double seconds = run.cpu_accumulated_time / static_cast<double>(run.iterations);
      const auto own = run.counters.find("ns");
      const double each = own != run.counters.end()
                              ? own->second.value
                              : seconds * 1e9 / run.counters.at("operations").value;
      if (!line_.empty() && each >= best_) continue;
      best_ = each;
      line_ = "{\"case\": \"" + name_ + "\", \"ns\": " + std::to_string(each);
      for (const auto& [key, counter] : run.counters)
        if (key != "operations" && key != "ns")
          line_ += ", \"" + key + "\": " + std::to_string(counter.value);
      line_ += "}";
    }
  }
  /// The exit status.
  int print() const {
    std::printf("%s\n", line_.empty() ? "{}" : line_.c_str());
    return failed_ ? 1 : 0;
  }

 private:
  std::string name_;
  std::string line_;
  double best_ = 0;
  bool failed_ = false;
};

/// Runs what is registered. Does not return: fibers may be left that nobody can wake.
[[noreturn]] inline void run_program(int argc, char** argv) {
  int status = 0;
  if (argc == 3 && argv[1][0] != '-') {
    std::string filter = "--benchmark_filter=^" + std::string(argv[1]) + "(/|$)";
    std::string seconds = "--benchmark_min_time=" + std::string(argv[2]);
    std::vector<char*> options = {argv[0], filter.data(), seconds.data()};
    int count = static_cast<int>(options.size());
    benchmark::Initialize(&count, options.data());
    line_reporter reporter(argv[1]);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    status = reporter.print();
  } else {
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
  }
  std::fflush(stdout);
  std::_Exit(status);
}

} // namespace bench
