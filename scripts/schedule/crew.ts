/** The processes of `npm run schedule`, and what they have told so far. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readHubFile } from "../../src/hub/embedded/hub-file.ts";
import { sourceFlags } from "../../test/support/run-node.ts";
import type { Order, Report } from "./process.ts";

type SenderOrder = Omit<Order & { role: "sender" }, "role" | "directory">;

const program = fileURLToPath(new URL("./process.ts", import.meta.url));

/** How late a timer was when its handler was started, milliseconds; below 0 it was early. */
export interface Firing {
  readonly number: number;
  readonly dueMs: number;
  readonly atMs: number;
}

export class Crew {
  readonly firings: Firing[] = [];
  /** Timers that have been acknowledged: all numbers below. */
  sent = 0;
  readonly #directory: string;
  readonly #ledger: boolean;
  readonly #living = new Map<ChildProcess, () => void>();

  /** @param ledger - whether each firing leaves an effect in the log "fired". */
  constructor(directory: string, ledger: boolean) {
    this.#directory = directory;
    this.#ledger = ledger;
  }

  /** @returns when it was ready, by its own clock. */
  async addWorker(): Promise<number> {
    const order: Order = { role: "worker", directory: this.#directory, ledger: this.#ledger };
    return this.#start(order, () => void this.addWorker());
  }

  /** If it is killed another one goes on. */
  async addSender(order: SenderOrder): Promise<void> {
    this.sent = order.from;
    const again = () => void this.addSender({ ...order, from: this.sent });
    await this.#start({ role: "sender", directory: this.#directory, ...order }, again);
  }

  /** Kills whoever runs the hub and the store, and starts another process of its kind. @returns whether there was one. */
  async killOwner(): Promise<boolean> {
    const id = readHubFile(join(this.#directory, "hub.json"))?.process;
    const owner = [...this.#living.keys()].find(({ pid }) => pid === id);
    if (owner === undefined) return false;
    const replace = this.#living.get(owner);
    await this.#kill(owner);
    replace?.();
    return true;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#living.keys()].map((child) => this.#kill(child)));
  }

  async #kill(child: ChildProcess): Promise<void> {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** @param replace - starts its successor. */
  async #start(order: Order, replace: () => void): Promise<number> {
    const child = fork(program, [JSON.stringify(order)], { execArgv: [...sourceFlags] });
    this.#living.set(child, replace);
    child.on("exit", () => this.#living.delete(child));
    return new Promise((resolve, reject) => {
      child.on("exit", (code) => {
        if (code === null || code === 0) resolve(Number.NaN);
        else reject(new Error(`a ${order.role} ended with ${code}`));
      });
      child.on("message", (report: Report) => {
        if (report.kind === "ready") resolve(report.atMs);
        else if (report.kind === "sent") this.sent = Math.max(this.sent, report.to);
        else this.#take(report.samples);
      });
    });
  }

  #take(samples: readonly number[]): void {
    for (let at = 0; at < samples.length; at += 3) {
      const [number, dueMs, atMs] = samples.slice(at, at + 3) as [number, number, number];
      this.firings.push({ number, dueMs, atMs });
    }
  }
}
