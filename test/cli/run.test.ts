/** `colloquy run` as a process of its own: its agents answer others, and a change starts them again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { join } from "../../src/index.ts";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";
import { shell } from "./support/shell.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-run-"));
const store = joinPath(place, ".colloquy");
let child: ChildProcess | undefined;

afterAll(() => {
  child?.kill("SIGKILL");
  rmSync(place, { recursive: true, force: true });
});

function moduleSaying(word: string): string {
  return `export default async function (net: { agent(id: string): Promise<any> }) {
    const greeter = await net.agent("greeter");
    greeter.handle("greet", () => ${JSON.stringify(word)});
    await greeter.ready();
  }`;
}

test("agents of a module answer others, are started again when it changes, and leave in order", {
  timeout: 120_000,
}, async () => {
  const file = joinPath(place, "agents.mts");
  writeFileSync(file, moduleSaying("hello"));
  // It owns the store, so that the one who runs may come and go.
  const net = await join(`embedded:${store}`, { onError: () => {} });
  const asker = await net.agent("asker");
  const program = [...sourceFlags, absolute("src/cli/main.ts"), "run", "--watch"];
  const args = [...program, "--url", `embedded:${store}`, file];
  child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess["stdout"]> });
  const starts = lines[Symbol.asyncIterator]();
  const ready = async () => {
    for (;;) {
      const { value, done } = await starts.next();
      if (done === true) throw new Error("it has ended");
      if (value.startsWith("ready")) return value;
    }
  };
  expect(await ready()).toBe("ready greeter");
  await net.waitFor({ id: "greeter" });
  expect(await asker.request("agent:greeter", "greet")).toBe("hello");
  const change = () => writeFileSync(file, moduleSaying("good day"));
  change();
  // Node says nowhere that it watches the file by now; a change before that is missed.
  const changing = setInterval(change, 10_000);
  await ready();
  clearInterval(changing);
  let answer: unknown;
  while (answer !== "good day") {
    answer = await asker.request("agent:greeter", "greet", undefined, { retry: true });
  }
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
  await net.close();
});

test("a module that fails, or exports nothing to run, is told with its name", async () => {
  const broken = joinPath(place, "broken.mjs");
  writeFileSync(broken, "throw new Error('not today');");
  const failed = await shell(["run", "--url", "memory:", broken]);
  expect(failed).toMatchObject({ exitCode: 1 });
  expect(failed.stderr).toMatch(/broken\.mjs: not today/);
  const wrong = joinPath(place, "wrong.mjs");
  writeFileSync(wrong, "export default function (net) {\n  net.agnt('greeter');\n}\n");
  const thrown = await shell(["run", "--url", "memory:", wrong]);
  expect(thrown).toMatchObject({ exitCode: 1 });
  expect(thrown.stderr).toMatch(/wrong\.mjs:2:7/);
  expect(thrown.stderr).toMatch(/^HANDLER_FAILED: .*wrong\.mjs: net\.agnt is not a function$/m);
  const refused = joinPath(place, "refused.mjs");
  writeFileSync(refused, "export default (net) => net.agent('no id');");
  expect(await shell(["run", "--url", "memory:", refused, "--json"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(
      /^\{"error":\{"code":"HANDLER_FAILED",.*INVALID_ADDRESS.*\}\}\n$/,
    ),
  });
  const missing = await shell(["run", "--url", "memory:", joinPath(place, "missing.ts")]);
  expect(missing).toMatchObject({ exitCode: 2 });
  expect(missing.stderr).toMatch(/missing\.ts: there is no such file/);
  const empty = joinPath(place, "empty.mjs");
  writeFileSync(empty, "export const agents = 1;");
  const nothing = await shell(["run", "--url", "memory:", empty]);
  expect(nothing).toMatchObject({ exitCode: 2 });
  expect(nothing.stderr).toMatch(/exports no function by default/);
});
