// SPDX-License-Identifier: BSL-1.0
#include "scenes.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

namespace scenes {
namespace {

constexpr int players_count = 8;

struct tagged : std::runtime_error {
  explicit tagged(int t) : std::runtime_error("tagged " + std::to_string(t)), tag(t) {}
  int tag;
};

/// What each player has to say; written when all have ended, since their order is their own.
using lines = std::vector<std::string>;

void play(cast& players, const char* title, const std::function<void(int, std::string&)>& part) {
  lines said(players_count);
  std::vector<std::function<void()>> parts;
  for (int i = 0; i < players_count; ++i)
    parts.emplace_back([&, i] { part(i, said[static_cast<std::size_t>(i)]); });
  std::printf("%s\n", title);
  try {
    players.play(parts);
  } catch (const std::exception& error) {
    std::printf("  left with: %s\n", error.what());
  }
  for (const auto& each : said)
    std::printf("  %s\n", each.c_str());
}

void rethrow_after_others_threw(cast& players, int i, std::string& said) {
  for (int round = 0; round < 20; ++round) {
    try {
      try {
        players.give_way();
        throw tagged(i * 100 + round);
      } catch (...) {
        for (int k = 0; k <= (i + round) % 3; ++k)
          players.give_way();
        throw;
      }
    } catch (const tagged& error) {
      players.give_way();
      if (error.tag != i * 100 + round) said += "got " + std::to_string(error.tag) + " ";
    }
    if (std::current_exception()) said += "one is left over ";
  }
  said += "rethrew its own";
}

void unwind_while_others_run(cast& players, int i, std::string& said) {
  struct watcher {
    cast& players;
    std::string& said;
    ~watcher() {
      players.give_way();
      said += std::to_string(std::uncaught_exceptions());
      try {
        players.give_way();
        throw tagged(1);
      } catch (const tagged&) {
        players.give_way();
      }
      said += std::to_string(std::uncaught_exceptions());
    }
  };
  for (int round = 0; round < 5; ++round) {
    try {
      watcher inner{players, said};
      watcher outer{players, said};
      if ((i + round) % 2) throw tagged(i);
    } catch (const tagged&) {
      said += "!";
    }
    said += std::to_string(std::uncaught_exceptions()) + " ";
  }
}

void hold_several(cast& players, int i, std::string& said) {
  try {
    throw tagged(i);
  } catch (const tagged& first) {
    players.give_way();
    try {
      throw std::logic_error("second of " + std::to_string(i));
    } catch (const std::logic_error& second) {
      players.give_way();
      try {
        std::throw_with_nested(tagged(i + 1000));
      } catch (const tagged& third) {
        players.give_way();
        said +=
            std::to_string(first.tag) + ", " + second.what() + ", " + third.what() + ", nested ";
        try {
          std::rethrow_if_nested(third);
        } catch (const std::exception& nested) {
          players.give_way();
          said += nested.what();
        }
      }
    }
  }
}

void hand_on(cast& players, std::vector<std::exception_ptr>& kept, int i, std::string& said) {
  const auto place = static_cast<std::size_t>(i);
  const auto neighbour = static_cast<std::size_t>((i + 1) % players_count);
  try {
    throw tagged(i);
  } catch (...) {
    players.give_way();
    kept[place] = std::current_exception();
  }
  while (!kept[neighbour])
    players.give_way();
  try {
    std::rethrow_exception(kept[neighbour]);
  } catch (const tagged& error) {
    players.give_way();
    said += "has its neighbour's: " + std::to_string(error.tag);
  }
}

int deep(cast& players, int depth, int i) {
  if (depth == 0) {
    players.give_way();
    throw tagged(i);
  }
  const std::string cleaned_up(static_cast<std::size_t>(depth), 'x');
  return deep(players, depth - 1, i) + static_cast<int>(cleaned_up.size());
}

} // namespace

void play_all(cast& players) {
  play(players, "each rethrows its own",
       [&](int i, std::string& said) { rethrow_after_others_threw(players, i, said); });
  play(players, "unwinding goes on where it was",
       [&](int i, std::string& said) { unwind_while_others_run(players, i, said); });
  play(players, "several are held at once",
       [&](int i, std::string& said) { hold_several(players, i, said); });
  std::vector<std::exception_ptr> kept(players_count);
  play(players, "one goes from hand to hand",
       [&](int i, std::string& said) { hand_on(players, kept, i, said); });
  play(players, "one comes from deep below", [&](int i, std::string& said) {
    try {
      deep(players, 100, i);
    } catch (const tagged& error) {
      said = error.what();
    }
  });
  play(players, "one leaves its player", [&](int i, std::string& said) {
    players.give_way();
    said = "was here";
    if (i % 3 == 1) throw tagged(i);
  });
}

} // namespace scenes
