"""interloop-gdb.py: tasks of interloop in gdb, of live processes and of cores.

    info il-tasks          every task: its number, loop, name, state, and what it waits in
    il-task N bt           the backtrace of task N; any other command runs in its innermost frame:
                           il-task 3 info locals, il-task 3 frame 2

gdb loads this file with the library, where it lies beside it or in gdb's own folder and `auto-load safe-path` allows it;
else: source interloop-gdb.py. It needs no debug information: the library says in il_gdb_layout where things are.
"""

import re
import struct

import gdb

VERSION = 2
FIELDS = (
    "context_switch list_next loop_every loop_backend backend_name loop_current loop_thread loop_scope "
    "scope_children scope_sibling scope_tasks task_scope_link task_state task_context task_base "
    "base_wait wait_call base_name base_fn base_arg name_next name_fn name_text name_fn_at"
).split()
STATES = ["ready", "running", "parked", "ended"]
MOST = 10_000_000  # members of a list: one that is being changed may lead in a circle

# Of a context that is away: registers by their offset from its stack pointer, and how much of the stack it takes.
# context_switch of the layout: 1, 2.
SAVED = {
    1: ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}, 64, "rip", "rsp"),
    2: (
        {**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88},
        176,
        "pc",
        "sp",
    ),
}


class Memory:
    """What lies in the process, or its core."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.missing = False  # a list leads nowhere
        self.pointer_size = gdb.lookup_type("char").pointer().sizeof
        order = gdb.execute("show endian", to_string=True)
        self.order = ">" if "big endian" in order else "<"

    def complain(self):
        if self.missing:
            print(
                "Memory is missing, and tasks with it: gcore leaves out stacks, unless the program ran with "
                "INTERLOOP_GUARDS=mprotect"
            )

    def bytes(self, address, size):
        return bytes(self.inferior.read_memory(address, size))

    def pointer(self, address):
        form = self.order + ("Q" if self.pointer_size == 8 else "I")
        return struct.unpack(form, self.bytes(address, self.pointer_size))[0]

    def number(self, address):
        return struct.unpack(self.order + "I", self.bytes(address, 4))[0]

    def text(self, address, most=128):
        """A string, or what can be read of it."""
        if address == 0:
            return ""
        taken = b""
        while len(taken) < most:
            try:
                byte = self.bytes(address + len(taken), 1)
            except gdb.MemoryError:
                break
            if byte == b"\0":
                break
            taken += byte
        return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in taken.decode("latin-1"))


class Layout:
    """il_gdb_layout of the library."""

    def __init__(self, memory):
        try:
            address = int(gdb.parse_and_eval("(unsigned long)&il_gdb_layout"))
        except gdb.error:
            raise gdb.GdbError(
                "there is no interloop in this program, or it is linked statically and stripped: il_gdb_layout is missing"
            )
        version, size = memory.number(address), memory.number(address + 4)
        if version != VERSION:
            raise gdb.GdbError(
                f"this library's layout is of version {version}; this script knows version {VERSION}: "
                "source the interloop-gdb.py that was installed with it"
            )
        at = address + 8
        self.loops, self.sanitized, self.names = (memory.pointer(at + i * memory.pointer_size) for i in range(3))
        at += 3 * memory.pointer_size
        for field in FIELDS:
            setattr(self, field, memory.number(at))
            at += 4


class Task:
    def __init__(self, number, loop, address, memory, layout):
        self.number, self.loop, self.address = number, loop, address
        self.base = base = memory.pointer(address + layout.task_base)
        state = memory.number(address + layout.task_state)
        self.state = STATES[state] if state < len(STATES) else f"state {state}"
        if memory.pointer(loop.address + layout.loop_current) == address:
            self.state = "running"
        self.name = memory.text(base + layout.base_name, 32)
        self.fn = memory.pointer(base + layout.base_fn)
        self.arg = memory.pointer(base + layout.base_arg)
        self.waits_for = ""
        if self.state == "parked":
            self.waits_for = memory.text(memory.pointer(memory.pointer(base + layout.base_wait) + layout.wait_call))


class Loop:
    def __init__(self, number, address, memory, layout):
        self.number, self.address = number, address
        self.thread = memory.pointer(address + layout.loop_thread)
        backend = memory.pointer(address + layout.loop_backend)
        self.backend = memory.text(memory.pointer(backend + layout.backend_name), 32)


def members(memory, layout, head):
    """The nodes of an intrusive list."""
    node = memory.pointer(head + layout.list_next)
    for _ in range(MOST):
        if node == head:
            return
        if node == 0:
            memory.missing = True
            return
        yield node
        node = memory.pointer(node + layout.list_next)


def scope_tasks(memory, layout, root):
    """The tasks in a scope and in those inside of it, in the order of the tree."""
    open_scopes = [root]
    while open_scopes:
        scope = open_scopes.pop()
        for node in members(memory, layout, scope + layout.scope_tasks):
            yield node - layout.task_scope_link
        children = [n - layout.scope_sibling for n in members(memory, layout, scope + layout.scope_children)]
        open_scopes += reversed(children)


def all_tasks(memory, layout):
    number = 0
    for index, node in enumerate(members(memory, layout, layout.loops), 1):
        loop = Loop(index, node - layout.loop_every, memory, layout)
        for address in scope_tasks(memory, layout, loop.address + layout.loop_scope):
            number += 1
            yield Task(number, loop, address, memory, layout)


def function_name(address):
    """Where a function is, as gdb says it: "handle", or its address."""
    text = gdb.execute(f"info symbol {address}", to_string=True)
    match = re.match(r"(\S+)(?: \+ (\d+))? in section", text)
    if not match:
        return hex(address)
    return match.group(1) + (f"+{match.group(2)}" if match.group(2) else "")


def task_name(task, memory, layout):
    """Its own, or that of the function that it runs for the user: a function of the library's says where that is."""
    if task.name:
        return task.name
    name = memory.pointer(layout.names)
    while name and memory.pointer(name + layout.name_fn) != task.fn:
        name = memory.pointer(name + layout.name_next)
    if not name:
        return function_name(task.fn)
    at = memory.pointer(name + layout.name_fn_at)
    if at and task.arg:
        return function_name(memory.pointer(task.arg + at))
    return memory.text(memory.pointer(name + layout.name_text))


# ---- a task that is away, as if it ran ----

unwinder_base = object
try:
    from gdb.unwinder import Unwinder

    unwinder_base = Unwinder
except ImportError:
    pass


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class TaskUnwinder(unwinder_base):
    """Makes the registers that a task left behind those of the frame above the thread's own: so nothing is written,
    and a core does as well as a process."""

    def __init__(self):
        super().__init__("interloop task")
        self.registers = None
        self.enabled = False

    def __call__(self, pending):
        if not self.registers or pending.level() != 0:
            return None
        pc = pending.read_register(self.pc)
        info = pending.create_unwind_info(FrameId(self.top, pc))
        for name, value in self.registers.items():
            info.add_saved_register(name, value)
        return info

    def show(self, task, memory, layout):
        saved, size, pc, sp = SAVED[layout.context_switch]
        top = memory.pointer(task.address + layout.task_context)
        if memory.bytes(layout.sanitized, 1) != b"\0":
            top = memory.pointer(top)
        number = gdb.lookup_type("unsigned long")
        values = {name: memory.pointer(top + offset) for name, offset in saved.items()}
        values[sp] = top + size
        # Whose stack lies below the task's is said to lie beside it: gdb takes frames only in the order of addresses.
        self.pc, self.top = pc, gdb.Value(top).cast(number)
        self.registers = {name: gdb.Value(value).cast(number) for name, value in values.items()}
        self.enabled = True
        gdb.invalidate_cached_frames()

    def hide(self):
        self.registers = None
        self.enabled = False
        gdb.invalidate_cached_frames()


unwinder = TaskUnwinder()


def thread_is(thread, number):
    """Whether it is the pthread_t, by its thread pointer, or as its C library says."""
    for register in ("fs_base", "tpidr", "tpidr_el0"):
        try:
            return int(gdb.parse_and_eval(f"(unsigned long)${register}")) == number
        except gdb.error:
            pass
    try:
        return int.from_bytes(thread.handle(), "little") == number
    except (gdb.error, RuntimeError):
        return False


def select_thread_of(task):
    """The thread that runs the task, or is nearest below the top of its stack, where nothing says who is who."""
    nearest, best = None, 1 << 28
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        if thread_is(thread, task.loop.thread):
            return True
        distance = task.base - int(gdb.parse_and_eval("(unsigned long)$sp"))
        if 0 <= distance < best:
            nearest, best = thread, distance
    if nearest:
        nearest.switch()
    return nearest is not None


def task_backtrace(text):
    """Without the frame of the thread, whose place the task took."""
    lines = re.split(r"\n(?=#)", text.rstrip("\n"))
    lines = [line for line in lines if not re.match(r"#0\s", line)]
    return "\n".join(
        re.sub(r"^#(\d+)(\s+)", lambda m: "#%-*d" % (len(m.group(1) + m.group(2)) , int(m.group(1)) - 1), line)
        for line in lines
    )


def run_away(task, command, memory, layout):
    if layout.context_switch not in SAVED or unwinder_base is object:
        raise gdb.GdbError("this machine's way to switch stacks is not known to this script")
    unwinder.show(task, memory, layout)
    try:
        frame = gdb.newest_frame().older()
        if frame is None:
            raise gdb.GdbError(f"task {task.number}: its stack cannot be read")
        if re.match(r"(bt|backtrace|where)\b", command):
            print(task_backtrace(gdb.execute(command, to_string=True)))
            return
        frame.select()
        gdb.execute(command)
    finally:
        unwinder.hide()


def run_running(task, command):
    before = gdb.selected_thread()
    if not select_thread_of(task):
        before.switch()
        raise gdb.GdbError(f"task {task.number} runs, but its loop's thread was not found")
    try:
        gdb.execute(command)
    finally:
        before.switch()


class InfoTasks(gdb.Command):
    """info il-tasks: every task of interloop: number, loop, name, state, what it waits in."""

    def __init__(self):
        super().__init__("info il-tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        memory = Memory()
        layout = Layout(memory)
        print("%5s  %-12s %-32s %-8s %s" % ("Num", "Loop", "Name", "State", "Waits in"))
        for task in all_tasks(memory, layout):
            name = task_name(task, memory, layout)
            loop = f"{task.loop.number} {task.loop.backend}"
            print("%5d  %-12s %-32s %-8s %s" % (task.number, loop, name, task.state, task.waits_for))
        memory.complain()


class OneTask(gdb.Command):
    """il-task N COMMAND: runs a command of gdb, such as bt, in task N of `info il-tasks`."""

    def __init__(self):
        super().__init__("il-task", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        match = re.match(r"\s*(\d+)\s*(.*)", argument)
        if not match:
            raise gdb.GdbError("il-task N COMMAND: N is a number of `info il-tasks`, COMMAND for instance bt")
        memory = Memory()
        layout = Layout(memory)
        for task in all_tasks(memory, layout):
            if task.number != int(match.group(1)):
                continue
            command = match.group(2) or "bt"
            if task.state == "running":
                run_running(task, command)
            else:
                run_away(task, command, memory, layout)
            return
        memory.complain()
        raise gdb.GdbError(f"there is no task {match.group(1)}; see info il-tasks")


InfoTasks()
OneTask()
if unwinder_base is not object:
    gdb.unwinder.register_unwinder(None, unwinder, replace=True)
