// SPDX-License-Identifier: BSL-1.0
// libmariadb: `mariadb-client SOCKET`.
#include <mysql.h>

#include "tests/identity/libraries/hundred.hpp"

using libraries::expect;

namespace {

MYSQL* connect(const char* socket) {
  MYSQL* connection = mysql_init(nullptr);
  expect(mysql_real_connect(connection, nullptr, "root", nullptr, nullptr, 0, socket, 0) != nullptr,
         mysql_error(connection));
  return connection;
}

std::string ask(MYSQL* connection, const std::string& query) {
  expect(mysql_query(connection, query.c_str()) == 0, query + ": " + mysql_error(connection));
  MYSQL_RES* result = mysql_store_result(connection);
  if (!result) return "";
  const MYSQL_ROW row = mysql_fetch_row(result);
  std::string answer = row && row[0] ? row[0] : "";
  mysql_free_result(result);
  return answer;
}

} // namespace

int main(int, char** arguments) {
  mysql_library_init(0, nullptr, nullptr);
  MYSQL* own = connect(arguments[1]);
  ask(own, "create database here");
  ask(own, "create table here.counts (number integer primary key, times integer)");
  libraries::all_at_once([&](int number) {
    const std::string n = std::to_string(number);
    MYSQL* connection = connect(arguments[1]);
    ask(connection, "insert into here.counts values (" + n + ", 0)");
    expect(ask(connection, "select sleep(0.1)") == "0", "an undisturbed sleep");
    for (int i = 0; i < 5; ++i)
      ask(connection, "update here.counts set times = times + 1 where number = " + n);
    expect(ask(connection, "select times from here.counts where number = " + n) == "5",
           "five updates");
    expect(ask(connection, "select repeat('" + n + " ', 100000)").size() == 100000 * (n.size() + 1),
           "a long answer");
    mysql_close(connection);
    mysql_thread_end();
  });
  expect(ask(own, "select sum(times) from here.counts") == "500", "the sum");
  mysql_close(own);
  mysql_library_end();
}
