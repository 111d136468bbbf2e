// SPDX-License-Identifier: BSL-1.0
// hiredis: `redis-client SOCKET`.
#include <hiredis/hiredis.h>

#include "tests/identity/libraries/hundred.hpp"

using libraries::expect;

namespace {

redisContext* connect(const char* socket) {
  redisContext* connection = redisConnectUnix(socket);
  expect(connection && connection->err == 0, connection ? connection->errstr : "no memory");
  return connection;
}

template <class... Arguments>
std::string ask(redisContext* connection, const char* format, Arguments... arguments) {
  auto* reply = static_cast<redisReply*>(redisCommand(connection, format, arguments...));
  expect(reply != nullptr, std::string(format) + ": " + connection->errstr);
  std::string answer;
  if (reply->type == REDIS_REPLY_INTEGER)
    answer = std::to_string(reply->integer);
  else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
    answer = reply->element[1]->str;
  else if (reply->str)
    answer = std::string(reply->str, reply->len);
  expect(reply->type != REDIS_REPLY_ERROR, answer);
  freeReplyObject(reply);
  return answer;
}

} // namespace

int main(int, char** arguments) {
  libraries::all_at_once([&](int number) {
    redisContext* connection = connect(arguments[1]);
    // Pairs: one waits for what the other, which lets it wait, will say.
    const std::string list = "list-" + std::to_string(number / 2);
    if (number % 2 == 0) {
      expect(ask(connection, "BLPOP %s 60", list.c_str()) == "word", "what the other said");
    } else {
      ::usleep(100'000);
      ask(connection, "RPUSH %s word", list.c_str());
    }
    for (int i = 0; i < 20; ++i)
      ask(connection, "INCR count");
    const std::string much(300'000, static_cast<char>('a' + number % 26));
    ask(connection, "SET much-%d %b", number, much.data(), much.size());
    expect(ask(connection, "GET much-%d", number) == much, "a long value");
    redisFree(connection);
  });
  redisContext* own = connect(arguments[1]);
  expect(ask(own, "GET count") == "2000", "the count");
  redisFree(own);
}
