# SPDX-License-Identifier: BSL-1.0
"""Programs whose threads compute: compressors with a thread for each block, and loops of OpenMP's."""
import bz2
import lzma
import random
import zlib

from trial import check, program

THREADS = 4


def text_of(megabytes):
    """Words in a random order, as text that compresses like prose."""
    source = random.Random(7)
    words = ["".join(source.choices("etaoinshrdlu", k=source.randint(2, 9))) for _ in range(3000)]
    block = " ".join(source.choices(words, k=170_000)).encode()[:1 << 20].ljust(1 << 20)
    return b"".join(block[i * 4099 % len(block):] + block[:i * 4099 % len(block)] for i in range(megabytes))


def compress(trial, command, decompress, megabytes):
    content = trial.store.setdefault(megabytes, text_of(megabytes) if megabytes not in trial.store else None)
    (trial.folder / "text").write_bytes(content)
    _, took = trial.timed(["sh", "-c", 'exec "$@" <text >packed', "sh", *trial.weft, *command], under_weft=False)
    check(decompress((trial.folder / "packed").read_bytes()) == content, "what was packed is not what was given")
    return megabytes / took


def pigz(trial):
    return compress(trial, [program("pigz", "pigz"), "-p", str(THREADS), "-c"],
                    lambda packed: zlib.decompress(packed, 31), trial.amount(32, 16))


def pbzip2(trial):
    return compress(trial, [program("pbzip2", "pbzip2"), f"-p{THREADS}", "-c"], bz2.decompress, trial.amount(16, 6))


def xz(trial):
    return compress(trial, [program("xz", "xz-utils"), f"-T{THREADS}", "-1", "--block-size=1MiB", "-c"],
                    lzma.decompress, trial.amount(32, 12))


def openmp(trial):
    """Parallel loops a second: short ones, so that starting them counts."""
    loops = trial.amount(40_000, 10_000)
    text, took = trial.timed([trial.built("bench/programs/openmp_loops"), str(loops)],
                             environment={"OMP_NUM_THREADS": str(THREADS)})
    check(text.strip() == str(loops * 1000 * 999 // 2), f"the sum is {text.strip()}")
    return loops / took
