// SPDX-License-Identifier: BSL-1.0
// weft [options] program args...: says what it cannot patch, sets LD_PRELOAD and becomes the
// program.
#include "patch/launcher/options.hpp"
#include "patch/launcher/preload.hpp"
#include "patch/launcher/program_check.hpp"
#include "patch/launcher/program_path.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <unistd.h>

namespace {

using namespace weft::launcher;

// env, nohup, timeout and the shells use the same three.
constexpr int exit_refused = 125;
constexpr int exit_cannot_execute = 126;
constexpr int exit_missing = 127;

int complain(int status, const std::string& sentence) {
  std::fprintf(stderr, "weft: %s\n", sentence.c_str());
  return status;
}

int print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return written && std::fflush(stdout) == 0 ? 0 : complain(exit_refused, std::strerror(errno));
}

int cannot_run(const std::string& path, int error) {
  const bool is_missing = error == ENOENT || error == ENOTDIR;
  return complain(is_missing ? exit_missing : exit_cannot_execute,
                  path + ": " + (is_missing ? "not found" : std::strerror(error)));
}

/// Becomes the program; returns only when that fails.
int become(const std::string& path, const std::vector<std::string>& program) {
  std::vector<char*> arguments;
  arguments.reserve(program.size() + 2); // one more for the shell below
  for (const auto& each : program)
    arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  execv(path.c_str(), arguments.data());
  if (errno == ENOEXEC) {
    // Text without "#!" is the shell's, as with execvp.
    char shell[] = "/bin/sh";
    arguments[0] = const_cast<char*>(path.c_str());
    arguments.insert(arguments.begin(), shell);
    execv(shell, arguments.data());
    errno = ENOEXEC;
  }
  return cannot_run(path, errno);
}

int run(const std::vector<std::string>& command_line) {
  const auto chosen = parse_options(command_line, [](const char* name) -> const char* {
    return std::getenv(name); // single-threaded here
  });
  if (chosen.what == action::help) return print(help_text);
  if (chosen.what == action::version) return print("weft " WEFT_VERSION "\n");

  const auto& name = chosen.program.front();
  const auto [path, error] = find_program(name, std::getenv("PATH"));
  if (error != 0) return cannot_run(name, error);

  const auto verdict = check_program(path);
  if (verdict.error != 0)
    return cannot_run(path + ": its interpreter " + verdict.image, verdict.error);
  if (!verdict.refusal.empty()) {
    const auto sentence = "cannot patch " + verdict.image + ": " + verdict.refusal;
    if (chosen.what == action::check || !chosen.if_possible)
      return complain(exit_refused, sentence);
    if (chosen.verbose) complain(0, sentence + "; it runs as it is");
    return become(path, chosen.program);
  }
  if (chosen.what == action::check) return print(path + " can be patched\n");

  const auto library = find_patch_library();
  const char* existing = std::getenv("LD_PRELOAD");
  const auto preload = preload_value(library, existing != nullptr ? existing : "", verdict.needed);
  setenv("LD_PRELOAD", preload.c_str(), 1);
  const char* tunables = std::getenv("GLIBC_TUNABLES");
  setenv("GLIBC_TUNABLES", tunables_value(tunables != nullptr ? tunables : "").c_str(), 1);
  for (const auto& [variable, value] : to_variables(chosen))
    setenv(variable.c_str(), value.c_str(), 1);
  if (chosen.verbose) complain(0, verdict.image + ": LD_PRELOAD=" + preload);
  return become(path, chosen.program);
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const usage_error& error) {
    return complain(exit_refused, error.what() + std::string(" (try weft --help)"));
  } catch (const std::exception& error) {
    return complain(exit_refused, error.what());
  }
}
