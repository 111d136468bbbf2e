// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "weft/error.hpp"

namespace weft::test {

/// While it exists, what goes to the error handler is kept instead.
class reports {
 public:
  reports() : before_(set_error_handler(&keep)) { all().clear(); }
  reports(const reports&) = delete;
  reports& operator=(const reports&) = delete;
  ~reports() {
    set_error_handler(before_);
    all().clear();
  }

  [[nodiscard]] std::size_t count() const {
    const std::lock_guard held(mutex());
    return all().size();
  }
  /// "where: what" of each. (Not while descriptors are short: sanitizers look at an exception's
  /// type through a pipe.)
  [[nodiscard]] std::vector<std::string> texts() const {
    const std::lock_guard held(mutex());
    std::vector<std::string> found;
    for (const auto& [where, error] : all())
      found.push_back(where + ": " + text_of(error));
    return found;
  }

 private:
  using report = std::pair<std::string, std::exception_ptr>;

  static std::mutex& mutex() {
    static std::mutex it;
    return it;
  }
  static std::vector<report>& all() {
    static std::vector<report> them;
    return them;
  }
  static void keep(const char* where, std::exception_ptr error) noexcept {
    const std::lock_guard held(mutex());
    all().emplace_back(where, std::move(error));
  }
  static std::string text_of(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      return e.what();
    } catch (...) {
      return "something";
    }
  }

  error_handler before_;
};

} // namespace weft::test
