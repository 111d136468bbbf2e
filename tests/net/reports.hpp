// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::test {

/// While it exists, what goes to the error handler is kept instead.
class reports {
 public:
  reports() : before_(set_error_handler(&keep)) { all().clear(); }
  reports(const reports&) = delete;
  reports& operator=(const reports&) = delete;
  ~reports() { set_error_handler(before_); }

  /// "where: what" of each.
  [[nodiscard]] std::vector<std::string> texts() const {
    const std::lock_guard held(mutex());
    return all();
  }

 private:
  static std::mutex& mutex() {
    static std::mutex it;
    return it;
  }
  static std::vector<std::string>& all() {
    static std::vector<std::string> them;
    return them;
  }
  static void keep(const char* where, std::exception_ptr error) noexcept {
    const std::lock_guard held(mutex());
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      all().push_back(std::string(where) + ": " + e.what());
    } catch (...) {
      all().push_back(std::string(where) + ": something");
    }
  }

  error_handler before_;
};

} // namespace weft::test
