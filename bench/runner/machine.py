# SPDX-License-Identifier: BSL-1.0
"""The machine: what it is, how busy others keep it, and what memory it has."""
import os
import pathlib
import platform
import resource
import subprocess
import time


def description():
    def first(path, key):
        try:
            lines = pathlib.Path(path).read_text().splitlines()
        except OSError:
            return "unknown"
        return next((line.split(":", 1)[-1].strip() for line in lines if line.startswith(key)), "unknown")

    def version(*command):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
            return done.stdout.decode().splitlines()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            return "unknown"

    release = pathlib.Path("/etc/os-release")
    system = next((line.split("=", 1)[1].strip('"') for line in release.read_text().splitlines()
                   if line.startswith("PRETTY_NAME=")), "") if release.exists() else ""
    virtual = "hypervisor" in first("/proc/cpuinfo", "flags").split()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "processor": first("/proc/cpuinfo", "model name"),
        "processors": len(os.sched_getaffinity(0)),
        "virtual": virtual,
        "memory_mib": int(first("/proc/meminfo", "MemTotal").split()[0]) >> 10,
        "kernel": platform.release(),
        "system": system,
        "compiler": version("g++", "--version"),
    }


def sentence(machine):
    return (f"{machine['date']}, {machine['processors']} processors of {machine['processor']}"
            f"{' (a virtual machine)' if machine['virtual'] else ''}, {machine['memory_mib'] / 1024:.0f} GiB, "
            f"Linux {machine['kernel']}, {machine['system']}, {machine['compiler']}")


def available_memory():
    """Bytes that may be used without harm."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def own_time():
    """Seconds of processor time that this process and its children have used, those that run among them."""
    used = sum(usage.ru_utime + usage.ru_stime for usage in
               (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))
    for thread in pathlib.Path("/proc/self/task").iterdir():
        for child in (thread / "children").read_text().split():
            try:
                fields = pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it has just ended
                continue
            used += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return used


class LoadMeter:
    """How many processors others keep busy, since it was made: what the system was busy, or was refused by its
    hypervisor, without this process and its children."""

    def __init__(self):
        self.began, self.before = time.monotonic(), self._others()

    @staticmethod
    def _others():
        user, nice, system, _, _, irq, softirq, steal = (
            int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return busy - own_time()

    def busy(self):
        elapsed = time.monotonic() - self.began
        return max(0.0, (self._others() - self.before) / elapsed) if elapsed > 0.05 else 0.0
