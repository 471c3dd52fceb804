/** `colloquy dead` with more letters than are handed over at a time, and than its list shows. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Agent, join, type Network } from "../../src/index.ts";
import { shell } from "./support/shell.ts";

const count = 1_001;
const place = mkdtempSync(joinPath(tmpdir(), "colloquy-many-dead-"));
const url = `embedded:${joinPath(place, "data")}`;
let net: Network;

beforeAll(async () => {
  net = await join(url, { onError: () => {} });
});

afterAll(async () => {
  await net.close();
  rmSync(place, { recursive: true, force: true });
});

const dead = (...args: readonly string[]) => shell(["dead", ...args, "--url", url]);

async function failing(): Promise<Agent> {
  const agent = await net.agent("failing", { capacity: 100 });
  const fail = () => {
    throw new Error("no");
  };
  agent.handle("fail", fail, { retry: { attemptsMax: 1 } });
  await agent.ready();
  return agent;
}

async function letterIds(): Promise<readonly number[]> {
  const ids: number[] = [];
  for await (const { id } of net.dead.list()) ids.push(id);
  return ids;
}

async function waiting(): Promise<number | undefined> {
  return (await net.mailboxes.list()).find(({ address }) => address === "agent:failing")?.waiting;
}

test("all of them are listed, put back and deleted", async () => {
  const agent = await failing();
  const numbers = Array.from({ length: count }, (_none, n) => n);
  const sent = numbers.map((n) => agent.send("agent:failing", "fail", n));
  for (const receipt of await Promise.all(sent)) {
    expect(await receipt.settled()).toMatchObject({ state: "dead" });
  }
  const ids = await letterIds();
  const last = String(ids[count - 2]);
  const listed = await dead("list", "--limit", String(count - 1));
  expect(listed.stdout.trimEnd().split("\n")).toHaveLength(count);
  expect(listed.stderr).toBe(`the first 1,000; --after ${last} goes on\n`);
  const rest = await dead("list", "--limit", String(count - 1), "--after", last);
  expect(rest.stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(rest.stderr).toBe("");

  // Nobody is there who would fail again.
  await agent.close();
  const replayed = await dead("replay", "--all");
  expect(replayed).toEqual({ exitCode: 0, stdout: "replayed 1,001\n", stderr: "" });
  expect(await letterIds()).toEqual([]);
  expect(await waiting()).toBe(count);

  await failing();
  await expect.poll(async () => (await letterIds()).length).toBe(count);
  const purged = await dead("purge", "--all", "--json");
  expect(purged).toEqual({ exitCode: 0, stdout: `{"purged":${count}}\n`, stderr: "" });
  expect(await letterIds()).toEqual([]);
});
