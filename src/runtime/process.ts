/** Which process this is, and whether another one on the same machine still lives. */
import { builtin } from "./builtin.ts";

const fs = builtin("node:fs");
const os = builtin("node:os");

export interface ProcessIdentity {
  readonly id: number;
  /** What `id` is unique in: the machine, and on Linux its process namespace (a container has its own). */
  readonly host: string;
}

/** Of a page the id is 0: the hub cannot see whether it still lives, and goes by its silence. */
export function processIdentity(): ProcessIdentity {
  if (os === undefined) return { id: 0, host: "page" };
  return { id: process.pid, host: `${os.hostname()} ${processNamespace()}`.trim() };
}

/** Only for ids of this host. A process that has ended and was not collected by its parent is dead. */
export function isProcessDead(id: number): boolean {
  try {
    process.kill(id, 0);
  } catch (error) {
    // EPERM: there is one, of another user.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  return process.platform === "linux" && isZombie(id);
}

/** The state is the first field behind the name, which is in parentheses and may hold any. */
function isZombie(id: number): boolean {
  try {
    const status = fs?.readFileSync(`/proc/${id}/stat`, "utf8") ?? "";
    const state = status.charAt(status.lastIndexOf(")") + 2);
    return state === "Z" || state === "X";
  } catch {
    return false;
  }
}

function processNamespace(): string {
  try {
    return fs?.readlinkSync("/proc/self/ns/pid") ?? "";
  } catch {
    return "";
  }
}
