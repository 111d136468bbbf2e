// SPDX-License-Identifier: BSL-1.0
// libpq: `postgresql-client CONNECTION`.
#include <libpq-fe.h>

#include "tests/identity/libraries/hundred.hpp"

using libraries::expect;

namespace {

std::string ask(PGconn* connection, const std::string& query) {
  PGresult* result = PQexec(connection, query.c_str());
  const ExecStatusType status = PQresultStatus(result);
  expect(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK,
         query + ": " + PQerrorMessage(connection));
  const std::string answer =
      PQntuples(result) > 0 && PQnfields(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  return answer;
}

PGconn* connect(const char* to) {
  PGconn* connection = PQconnectdb(to);
  expect(PQstatus(connection) == CONNECTION_OK, PQerrorMessage(connection));
  return connection;
}

} // namespace

int main(int, char** arguments) {
  PGconn* own = connect(arguments[1]);
  ask(own, "create table counts (number integer, times integer)");
  libraries::all_at_once([&](int number) {
    const std::string n = std::to_string(number);
    PGconn* connection = connect(arguments[1]);
    ask(connection, "insert into counts values (" + n + ", 0)");
    ask(connection, "select pg_sleep(0.1)");
    for (int i = 0; i < 5; ++i)
      ask(connection, "update counts set times = times + 1 where number = " + n);
    expect(ask(connection, "select times from counts where number = " + n) == "5", "five updates");
    // Larger than socket buffers.
    expect(ask(connection, "select repeat('" + n + " ', 100000)").size() == 100000 * (n.size() + 1),
           "a long answer");
    PQfinish(connection);
  });
  expect(ask(own, "select sum(times) from counts") == "500", "the sum");
  PQfinish(own);
}
