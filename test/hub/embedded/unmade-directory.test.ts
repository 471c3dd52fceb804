/** Where Linux lets nobody make a directory, and Node's recursive `mkdir` would go on for ever. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeDirectory } from "../../../src/runtime/make-directory.ts";
import { absolute } from "../../support/repository.ts";
import { sourceFlags } from "../../support/run-node.ts";

const place = mkdtempSync(join(tmpdir(), "colloquy-directories-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Ending {
  /** Undefined where it did not end by itself. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** In a process of its own, which can be ended whatever it does. */
function run(...args: readonly string[]): Promise<Ending> {
  const options = { cwd: absolute("."), timeout: 20_000, killSignal: "SIGKILL" } as const;
  return new Promise((resolve) => {
    const flags = [...sourceFlags, ...args];
    const child = execFile(process.execPath, flags, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? undefined, stdout, stderr });
    });
  });
}

const unmade = ["/proc/colloquy", "/proc/self/colloquy/deep"];

test.skipIf(process.platform !== "linux").each(unmade)(
  "%s: who joins it or serves it is told",
  async (directory) => {
    const program = `
      import { join } from "colloquy";
      import { openStoreBroker } from "./src/broker/embedded/open.ts";
      const told = [await join("embedded:${directory}").catch((error) => error)];
      try { openStoreBroker("${directory}"); } catch (error) { told.push(error); }
      console.log(JSON.stringify(told));`;
    const joined = await run("--input-type=module", "--eval", program);
    const failed = { code: "STORE_FAILED", details: { directory } };
    expect(joined.code, joined.stderr).toBe(0);
    expect(JSON.parse(joined.stdout)).toMatchObject([failed, failed]);

    const main = absolute("src/cli/main.ts");
    const served = await run(main, "serve", "--dir", directory, "--no-http");
    expect(served.code).toBe(1);
    expect(served.stderr).toMatch(`STORE_FAILED: ${directory} cannot be made: ENOENT`);
    const socket = `${directory}/hub.sock`;
    const listening = await run(main, "serve", "--memory", "--unix", socket, "--no-http");
    expect(listening.code).toBe(1);
    expect(listening.stderr).toMatch(`AGENT_UNREACHABLE: cannot listen at ${socket}: ENOENT`);
  },
);

test("a directory is made with those above it, for this user alone, and the first of them is told", () => {
  const deep = join(place, "a", "b", "c");
  expect(makeDirectory(deep)).toBe(join(place, "a"));
  for (const made of ["a", "a/b", "a/b/c"]) {
    expect(statSync(join(place, made)).mode & 0o777, made).toBe(0o700);
  }
  expect(makeDirectory(join(deep, "d"))).toBe(join(deep, "d"));
  expect(makeDirectory(deep)).toBeUndefined();
  expect(makeDirectory("/")).toBeUndefined();
});

test("a file in the way is told, itself and above", () => {
  const file = join(place, "file");
  writeFileSync(file, "");
  expect(() => makeDirectory(file)).toThrow("EEXIST");
  expect(() => makeDirectory(join(file, "x"))).toThrow("ENOTDIR");
  expect(() => makeDirectory(join(file, "x", "y"))).toThrow("ENOTDIR");
});
