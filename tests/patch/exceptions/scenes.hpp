// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <vector>

/// Exceptions thrown, held and rethrown while others run in between. The same scenes are played
/// by fibers and by threads, with libweft, with the patch, and with both: each time the same
/// lines are written.
namespace scenes {

/// Who plays.
struct cast {
  virtual ~cast() = default;
  /// Runs all of `parts` at once, each by a player of its own. An exception that leaves a part
  /// is rethrown here when all have ended: that of the first part which failed.
  virtual void play(const std::vector<std::function<void()>>& parts) = 0;
  /// Lets the other players go on.
  virtual void give_way() = 0;
};

/// Plays all and writes what happened to standard output.
void play_all(cast& players);

} // namespace scenes
