// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tour {

/// Runs the program of that name at a hundredth of its durations and expects these lines of it, in
/// this order, and that it takes as long as it must: not less, and less than its waits one after
/// another would. In a line, `%X` stands for a time of day, and `~2.0` for a number from 2 to 2.9.
///
/// Order and time are compared at other speeds, down to a half, before they count as wrong: a busy
/// machine may be late by more than a hundredth of a second. Being early is wrong at once.
void expect_lines(std::string_view name, const std::vector<std::string>& lines);

/// The same where several outputs are right: `is_right` is given the lines.
void expect_output(std::string_view name,
                   const std::function<bool(const std::vector<std::string>&)>& is_right);

/// Whether these are the lines, in the form that expect_lines knows.
bool are(const std::vector<std::string>& lines, const std::vector<std::string>& wanted);

} // namespace tour
