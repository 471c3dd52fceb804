/** `colloquy serve` as a process of its own, with a store and a TCP port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const flags = ["--conditions=@colloquy/source", "--disable-warning=ExperimentalWarning"];

export class ServedHub {
  readonly name = "colloquy serve";
  readonly pid: number;
  /** What clients join. */
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.pid = child.pid as number;
    this.url = url;
  }

  static async start(directory: string): Promise<ServedHub> {
    const command = ["serve", "--json", "--dir", directory, "--tcp", "127.0.0.1:0", "--no-http"];
    const child = spawn(process.execPath, [...flags, program, ...command], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const { endpoints } = JSON.parse(line) as { endpoints: { kind: string; url: string }[] };
      const url = endpoints.find(({ kind }) => kind === "tcp")?.url;
      if (url !== undefined) return new ServedHub(child, url);
    }
    throw new Error("colloquy serve ended before it was ready");
  }

  /** In order. @throws when it does not end with 0. */
  async stop(): Promise<void> {
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const [code] = (await exit) as [number | null];
    if (code !== 0) throw new Error(`colloquy serve ended with ${code}`);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
