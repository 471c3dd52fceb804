/** The desk's operating-system processes, as the conductor starts, kills and ends them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Place } from "./place.ts";

export interface Role {
  /** Names the process. */
  readonly name: string;
  /** A file of the programs folder, without its ending. */
  readonly program: string;
  readonly parameters: readonly string[];
}

/** A process that has not left so long after it was told to is killed. */
const farewellMs = 5_000;

export class Processes {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #onUnexpectedEnd: (name: string) => void;
  readonly #running = new Map<string, ChildProcess>();

  /**
   * @param place - where they meet.
   * @param directory - for what Node has compiled of their programs.
   * @param onUnexpectedEnd - a process ended that was neither killed nor told to end.
   */
  constructor(place: Place, directory: string, onUnexpectedEnd: (name: string) => void) {
    this.#environment = {
      ...process.env,
      COLLOQUY_URL: place.url,
      DESK_SPACE: place.space,
      NODE_COMPILE_CACHE: join(directory, "compiled"),
    };
    this.#onUnexpectedEnd = onUnexpectedEnd;
  }

  /** The operating system's number of a process that runs. */
  idOf(name: string): number {
    return this.#child(name).pid ?? Number.NaN;
  }

  /** Resolves when the process says that its agents have joined. It inherits this one's Node flags. */
  async start({ name, program, parameters }: Role, signal: AbortSignal): Promise<void> {
    const file = new URL(`../programs/${program}.ts`, import.meta.url);
    const child = fork(file, parameters, { env: this.#environment });
    this.#running.set(name, child);
    child.once("exit", () => {
      if (this.#running.get(name) !== child) return;
      this.#running.delete(name);
      this.#onUnexpectedEnd(name);
    });
    await once(child, "message", { signal });
  }

  /** SIGKILL: no farewell, nothing flushed. Resolves when the process is gone. */
  async kill(name: string): Promise<void> {
    const child = this.#take(name);
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Lets every process finish what it is doing and leave, the last one started first. */
  async endAll(): Promise<void> {
    for (;;) {
      const name = [...this.#running.keys()].at(-1);
      if (name === undefined) return;
      const child = this.#take(name);
      const exit = once(child, "exit");
      const impatient = setTimeout(() => child.kill("SIGKILL"), farewellMs);
      if (child.connected) child.disconnect();
      await exit;
      clearTimeout(impatient);
    }
  }

  #child(name: string): ChildProcess {
    const child = this.#running.get(name);
    if (child === undefined) throw new Error(`no process named ${name} is running`);
    return child;
  }

  #take(name: string): ChildProcess {
    const child = this.#child(name);
    this.#running.delete(name);
    return child;
  }
}
