/** The clients of the soak, each a process, as their parent sees them. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Order, Report, Role } from "./process.ts";

export type ProcessSample = Extract<Report, { kind: "sample" }>;

const program = fileURLToPath(new URL("./process.ts", import.meta.url));

export class Member {
  readonly role: Role;
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting: {
    kind: Report["kind"];
    take: (report: Report) => void;
    fail: (error: Error) => void;
  }[] = [];

  private constructor(role: Role, url: string, name: string) {
    this.role = role;
    this.name = name;
    this.#child = fork(program, [role, url, name]);
    this.#child.on("message", (report: Report) => {
      const at = this.#waiting.findIndex(({ kind }) => kind === report.kind);
      if (at >= 0) this.#waiting.splice(at, 1)[0]?.take(report);
    });
    this.#child.on("exit", (code) => {
      for (const { fail } of this.#waiting.splice(0)) fail(new Error(`${name} ended with ${code}`));
    });
  }

  /** @param url - of the hub. */
  static async start(role: Role, url: string, name: string): Promise<Member> {
    const member = new Member(role, url, name);
    await member.#until("ready");
    return member;
  }

  drive(rate: number | null): void {
    this.#tell({ kind: "drive", rate });
  }

  async sample(): Promise<ProcessSample> {
    const answer = this.#until("sample");
    this.#tell({ kind: "sample" });
    return (await answer) as ProcessSample;
  }

  /** Lets it finish what it has begun. @returns its last sample. */
  async stop(): Promise<ProcessSample> {
    const [last, stopped] = [this.#until("sample"), this.#until("stopped")];
    this.#tell({ kind: "stop" });
    const sample = (await last) as ProcessSample;
    await stopped;
    return sample;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  #tell(order: Order): void {
    this.#child.send(order);
  }

  #until(kind: Report["kind"]): Promise<Report> {
    return new Promise((take, fail) => this.#waiting.push({ kind, take, fail }));
  }
}
