// SPDX-License-Identifier: BSL-1.0
// A room in which everybody reads what everybody says, by lines over TCP (try `nc localhost 7000`):
//
//     chat_server [PORT]
#include <chrono>
#include <csignal>
#include <iostream>
#include <set>
#include <string>
#include <weft/weft.hpp>

using namespace std::chrono_literals;

namespace {

/// Somebody in the room. Lines go out through a queue, so that nobody waits for a slow reader;
/// one that is a hundred lines behind is shown out.
struct guest {
  std::string name;
  weft::stream& connection;
  weft::queue<std::string> lines{100};
};

class room {
 public:
  void enter(guest& who) {
    guests_.insert(&who);
    say("* " + who.name + " came");
  }
  void leave(guest& who) {
    guests_.erase(&who);
    who.lines.close();
    say("* " + who.name + " left");
  }
  void say(const std::string& line) {
    for (guest* each : guests_)
      if (!each->lines.try_put(line + "\n")) each->connection.close(); // which ends `serve`
  }

 private:
  std::set<guest*> guests_;
};

void write_lines(guest& to) {
  try {
    for (const std::string& line : to.lines)
      to.connection.write_all(line, 10s);
  } catch (const std::system_error&) { // gone, or does not read
    to.connection.close();
  }
}

void serve(weft::stream& connection, room& here) {
  connection.write_all("Your name?\n", 10s);
  const auto name = connection.read_line({.maximum = 40, .timeout = 60s});
  if (!name || name->empty()) return;
  guest me{*name, connection};
  weft::task_group writer;
  writer.spawn([&] { write_lines(me); });
  struct stay {
    room& at;
    guest& who;
    stay(room& r, guest& g) : at(r), who(g) { at.enter(who); }
    ~stay() { at.leave(who); }
  };
  {
    const stay until_the_end(here, me);
    while (auto line = connection.read_line({.maximum = 1000, .timeout = 1h}))
      here.say(me.name + ": " + *line);
  }
  writer.join();
}

} // namespace

int main(int argc, char** argv) {
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 7000);
  const weft::signal_set stop{SIGTERM, SIGINT};
  room here;
  weft::tcp_server server("127.0.0.1", port,
                          [&](weft::stream& connection) { serve(connection, here); });
  server.start();
  std::cout << server.local_address().to_string() << std::endl;
  stop.wait();
  here.say("* the room closes");
  server.stop(1s);
}
