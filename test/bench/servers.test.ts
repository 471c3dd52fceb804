import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServer } from "../../bench/servers/server-process.ts";

/** A server with a child of its own, as those have that are started by a script. */
const program = `
  const { spawn } = require("node:child_process");
  const { writeFileSync } = require("node:fs");
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  writeFileSync(process.argv[1], JSON.stringify([process.pid, child.pid]));
`;

test("a server that was started is ready, and when it is stopped nothing of it is left", async () => {
  const directory = mkdtempSync(join(tmpdir(), "colloquy-servers-"));
  const file = join(directory, "pids");
  const ready = async (): Promise<void> => {
    if (!existsSync(file) || readFileSync(file).length === 0) throw new Error("not yet");
  };
  const server = await startServer(process.execPath, ["-e", program, file], { ready });
  const pids = JSON.parse(readFileSync(file, "utf8")) as number[];
  expect(pids.map(isAlive)).toEqual([true, true]);
  await server.stop();
  await expect.poll(() => pids.map(isAlive)).toEqual([false, false]);
  rmSync(directory, { recursive: true });
});

test("a server that ends instead of taking work is told", async () => {
  const ready = () => new Promise<void>(() => {});
  const starting = startServer(process.execPath, ["-e", "process.exit(3)"], { ready });
  await expect(starting).rejects.toThrow(/ended with 3/);
});

/** One that has ended and that nobody has asked about yet is not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== "linux") return true;
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return false;
  }
}
