"""Runs a command on a terminal of its own, and tells as JSON what became of both.

on-terminal.py WAIT_FOR KEYS_OR_SIGNAL COMMAND...: once WAIT_FOR has been written, the keys are typed, or, where
it is the name of a signal, that is sent. "restored": the terminal's settings are those of before.
"""
import fcntl, json, os, select, signal, struct, sys, termios

wait_for, keys, command = sys.argv[1].encode(), sys.argv[2], sys.argv[3:]
mine, its = os.openpty()
fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(its)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(its, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(its, descriptor)
    os.execvp(command[0], command)
output, acted, raw = b"", False, False
os.set_blocking(mine, False)
while True:
    pid, status = os.waitpid(child, os.WNOHANG)
    try:
        while part := os.read(mine, 65536):
            output += part
    except BlockingIOError:
        pass
    if pid != 0:
        break
    if not acted and wait_for in output:
        acted = True
        raw = not termios.tcgetattr(its)[3] & termios.ICANON
        if keys.startswith("SIG"):
            os.kill(child, getattr(signal, keys))
        else:
            os.write(mine, keys.encode())
    select.select([mine], [], [], 0.02)
restored = termios.tcgetattr(its) == before
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"exitCode": code, "output": output.decode(), "raw": raw, "restored": restored}))
