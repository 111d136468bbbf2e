# SPDX-License-Identifier: BSL-1.0
"""gdb commands for weft's fibers and green threads, in a live process or a core file.

    (gdb) source weft-gdb.py
    (gdb) info fibers            all of them: number, kind, name, state, innermost function
    (gdb) fiber N                goes to one: frames, variables and `bt` are its own from then on
    (gdb) fiber off              back to gdb's own threads
    (gdb) fiber apply all bt     the stacks of all (or of `1 3-5`)

A fiber that is not running has no thread of gdb's. `fiber N` therefore puts its stack beneath
frame 0 of the selected thread, whose own callers are hidden meanwhile: frame 1 is the fiber's
innermost one. Continuing the program ends that.

What the libraries' structures look like they tell themselves (weft_debugger_map,
weft_patch_debugger_map): no debug information is needed for this, nor for the patch at all.
"""
import re

import gdb
from gdb.unwinder import Unwinder

REGISTERS = ("rip", "rsp", "rbp", "rbx", "r12", "r13", "r14", "r15")

# What a context that switched away leaves on its stack: Boost.Context's frame, and weft's own.
CONTEXT = {"r12": 0x10, "r13": 0x18, "r14": 0x20, "r15": 0x28, "rbx": 0x30, "rbp": 0x38, "rip": 0x40}
CONTEXT_SIZE = 0x48


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def number(address, size=8):
    return int.from_bytes(memory(address, size), "little")


def text(address, most=64):
    raw = b""
    while len(raw) < most and (byte := memory(address + len(raw), 1)) != b"\0":
        raw += byte
    return raw.decode(errors="replace")


def members(head, offset=0):
    """The objects of an intrusive list. Its head and its hooks begin with the pointer to the next."""
    hook = number(head)
    for _ in range(10_000_000):
        if hook in (head, 0):
            return
        yield hook - offset
        hook = number(hook)


class Map(dict):
    """What a library says of itself: names to numbers and addresses. Empty if it is not loaded."""

    def __init__(self, symbol):
        super().__init__()
        try:
            at = int(gdb.parse_and_eval(f"(unsigned long)&{symbol}"))
        except gdb.error:
            return
        try:
            while name := number(at):
                self[text(name)] = number(at + 16) or number(at + 8)
                at += 24
        except gdb.MemoryError:
            self.clear()  # not relocated yet

    def names(self, key):
        return text(self[key], 1024).split()


class Fiber:
    """A fiber or green thread: where its registers are depends on how it came to rest."""

    def __init__(self, kind, identity, name, state, registers=None, thread=None):
        self.kind, self.identity, self.name, self.state = kind, identity, name, state
        self.registers, self.thread = registers, thread


def from_context(context):
    registers = {name: number(context + offset) for name, offset in CONTEXT.items()}
    registers["rsp"] = context + CONTEXT_SIZE
    return registers


def from_frame(m, frame):
    return {name: number(frame + m[f"frame.{name}"]) for name in REGISTERS}


def threads_by(key):
    """gdb's threads by what `key` says while each is selected."""
    selected, found = gdb.selected_thread(), {}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        try:
            found[key(thread)] = thread
        except gdb.error:
            pass
    if selected is not None:
        selected.switch()
    return found


def green_threads():
    m = Map("weft_patch_debugger_map")
    if not m:
        return
    machine = m["machine"]
    if number(machine + m["machine.all"]) == 0:
        return  # not started
    main = number(machine + m["machine.main_tid"], 4)
    reasons = m.names("reasons")
    with_base = threads_by(lambda _: int(gdb.parse_and_eval("(unsigned long)$fs_base")))
    for green in members(machine + m["machine.all"], m["green.all"]):

        def field(name, size=8, green=green):
            return number(green + m["green." + name], size)

        tid = field("tid", 4)
        name = text(green + m["green.name"], 16)
        if tid == main:
            name = name or "main"
        parked = field("why", 1) == m["wakeup.parked"]
        on = with_base.get(field("thread_pointer"))
        current = number(field("on") + m["worker.current"]) == green
        if parked:
            state = f"waits ({reasons[field('reason', 1)]})"
            yield Fiber("thread", tid, name, state, from_frame(m, field("call")))
        elif on is not None and current:
            yield Fiber("thread", tid, name, f"runs on thread {on.num}", thread=on)
        elif not field("started", 1) and field("first_frame"):
            yield Fiber("thread", tid, name, "has not begun", from_frame(m, field("first_frame")))
        elif field("suspended"):
            yield Fiber("thread", tid, name, "is ready", from_context(field("suspended")))
        else:
            yield Fiber("thread", tid, name, "runs", thread=on)


def states_of(m, hub):
    """The blocks of a hub's pool, free ones included, and the fibers that other threads gave it."""
    for slab in members(hub + m["hub.slabs"]):
        for i in range(number(slab + m["slab.made"], 4)):
            yield slab + m["slab.header"] + i * m["state.size"]
    yield from members(hub + m["hub.visitors"], m["visitor.hook"])


def fibers():
    m = Map("weft_debugger_map")
    if not m or number(m["hubs"]) == 0:
        return
    phases = m.names("phases")
    with_tid = threads_by(lambda thread: thread.ptid[1] or thread.ptid[0])
    for hub in members(m["hubs"]):
        running = number(hub + m["hub.running"])
        thread = with_tid.get(number(hub + m["hub.thread"], 4))
        for state in states_of(m, hub):
            phase = phases[number(state + m["state.phase"], 1)]
            if phase in ("free", "promise", "callback", "finished"):
                continue
            identity = f"{number(hub + m['hub.number'], 4)}.{number(state + m['state.id'])}"
            extras = number(state + m["state.extras"])
            name = ""
            if extras and number(extras + m["extras.name"] + 8):
                name = text(number(extras + m["extras.name"]),
                            min(64, number(extras + m["extras.name"] + 8)))
            if number(state + m["state.flags"], 2) & m["flag.thread_fiber"]:
                name = name or "(thread's own)"
            context = number(state + m["state.context"])
            stack = number(state + m["state.stack"])
            if stack and number(state + m["state.stack_class"], 4) >= m["identity_class"]:
                context = number(number(stack + m["identity.suspended"]))
            if state == running:
                yield Fiber("fiber", identity, name, "runs", thread=thread)
            elif phase in ("parked", "ready") and context:
                yield Fiber("fiber", identity, name, phase, from_context(context))
            else:
                yield Fiber("fiber", identity, name, phase)


def everybody():
    return [*green_threads(), *fibers()]


class Beneath(Unwinder):
    """Makes a fiber's registers those of the caller of the selected thread's frame 0."""

    def __init__(self):
        super().__init__("weft-fiber")
        self.enabled = True
        self.registers = None

    def put(self, registers):
        self.registers = None
        gdb.invalidate_cached_frames()
        if registers is not None:
            frame = gdb.newest_frame()
            self.top = int(frame.read_register("rsp")), int(frame.read_register("rip"))
            self.registers = registers
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.registers is None:
            return None
        sp, pc = pending.read_register("rsp"), pending.read_register("rip")
        if (int(sp), int(pc)) != self.top:
            return None

        class Identity:
            pass

        # gdb takes a caller whose stack lies below its callee's for the end of a broken stack.
        Identity.sp, Identity.pc = gdb.Value(0).cast(sp.type), pc
        info = pending.create_unwind_info(Identity)
        word = gdb.lookup_type("unsigned long")
        for name, value in self.registers.items():
            info.add_saved_register(name, gdb.Value(value).cast(word).cast(pending.read_register(name).type)
                                    if name not in ("rip", "rsp") else gdb.Value(value).cast(word))
        return info


beneath = Beneath()
gdb.unwinder.register_unwinder(None, beneath, replace=True)
gdb.events.cont.connect(lambda _: beneath.put(None) if beneath.registers is not None else None)


def backtrace(fiber, arguments=""):
    """`bt`, without the frame 0 that is not the fiber's."""
    selected = gdb.selected_thread()
    if fiber.thread is not None:
        fiber.thread.switch()
        lines = gdb.execute(f"bt {arguments}", to_string=True)
        selected.switch()
        return lines
    if fiber.registers is None:
        return ""
    before = beneath.registers
    beneath.put(fiber.registers)
    try:
        lines = gdb.execute(f"bt {arguments}", to_string=True)
    finally:
        beneath.put(before)
    frames = re.split(r"^(?=#\d+ )", lines, flags=re.M)[2:]
    return "".join(re.sub(r"^#(\d+) ", lambda n: f"#{int(n[1]) - 1:<2}", frame) for frame in frames)


def innermost(fiber):
    found = re.search(r"^#0 +(?:0x[0-9a-f]+ in )?(.*?)(?: from .*)?$", backtrace(fiber, "3"), re.M)
    return found[1] if found else ""


class InfoFibers(gdb.Command):
    """List weft's fibers and green threads."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        rows = [("", "kind", "id", "name", "state", "innermost function")]
        for i, each in enumerate(everybody(), 1):
            rows.append((str(i), each.kind, str(each.identity), each.name, each.state, innermost(each)))
        if len(rows) == 1:
            print("No fibers: neither libweft nor its patch is at work here.")
            return
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        for row in rows:
            print("  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[5]]).rstrip())


class FiberCommand(gdb.Command):
    """Go to one of weft's fibers or green threads: fiber N. Back with: fiber off."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK, prefix=True)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        if wanted == "off":
            beneath.put(None)
            return
        every = everybody()
        if not wanted.isdigit() or not 1 <= int(wanted) <= len(every):
            raise gdb.GdbError(f"usage: fiber N, where N is from 1 to {len(every)}: see info fibers")
        fiber = every[int(wanted) - 1]
        if fiber.thread is not None:
            beneath.put(None)
            gdb.execute(f"thread {fiber.thread.num}")
        elif fiber.registers is None:
            raise gdb.GdbError(f"fiber {wanted} {fiber.state}: it has no stack")
        else:
            beneath.put(fiber.registers)
            gdb.execute("frame 1")


class FiberApply(gdb.Command):
    """Apply a command to weft's fibers: fiber apply all COMMAND, fiber apply 1 3-5 COMMAND."""

    def __init__(self):
        super().__init__("fiber apply", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        chosen, command = self.parse(argument.split())
        if not command:
            raise gdb.GdbError("usage: fiber apply all|N... COMMAND")
        before = beneath.registers
        for i, fiber in enumerate(everybody(), 1):
            if chosen is not None and i not in chosen:
                continue
            print(f'\n{fiber.kind} {i} ({fiber.identity} "{fiber.name}" {fiber.state}):')
            name, _, rest = command.partition(" ")
            if name in ("bt", "backtrace", "where"):
                print(backtrace(fiber, rest), end="")
                continue
            selected = gdb.selected_thread()
            try:
                if fiber.thread is not None:
                    fiber.thread.switch()
                    gdb.execute(command)
                elif fiber.registers is not None:
                    beneath.put(fiber.registers)
                    gdb.execute("frame 1", to_string=True)
                    gdb.execute(command)
            finally:
                beneath.put(None)
                selected.switch()
                beneath.put(before)

    @staticmethod
    def parse(words):
        if words and words[0] == "all":
            return None, " ".join(words[1:])
        chosen = set()
        while words and (span := re.fullmatch(r"(\d+)(?:-(\d+))?", words[0])):
            chosen.update(range(int(span[1]), int(span[2] or span[1]) + 1))
            words = words[1:]
        return chosen, " ".join(words) if chosen else ""


InfoFibers()
FiberCommand()
FiberApply()
