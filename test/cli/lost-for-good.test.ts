/** A hub that does not let a command in again: what goes on until it is ended has ended. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub, type Listener, listenTcp, sharedToken, systemClock } from "../../src/hub/index.ts";
import { join } from "../../src/index.ts";
import { freePort } from "../support/servers/server.ts";
import { shell } from "./support/shell.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-lost-"));
const module = joinPath(place, "agents.mjs");
writeFileSync(module, "export default (net) => net.agent('greeter');\n");

afterAll(() => rmSync(place, { recursive: true, force: true }));

const token = "at least sixteen characters";

async function hubAsking(
  asked: string,
  port: number,
): Promise<Listener & { stop(): Promise<void> }> {
  const broker = openMemoryBroker();
  const authenticate = sharedToken(asked);
  const hub = new Hub({ broker, clock: systemClock, id: "hub", authenticate });
  const listener = await listenTcp({ port }, hub);
  const stop = async () => {
    await listener.close();
    await hub.close();
    await broker.close();
  };
  return Object.assign(listener, { stop });
}

test.each([
  [["run", module], /^ready greeter/m],
  [["subscribe", "news"], /^listening to news/m],
  [["agents", "--watch"], /^\+ somebody/m],
  [["top", "--every", "100ms"], /somebody/],
])("%j ends, and says why", async (args, begun) => {
  const first = await hubAsking(token, await freePort());
  const port = Number(new URL(first.address).port);
  const somebody = await join(first.address, { token, drainOnSignals: false, onError: () => {} });
  await somebody.agent("somebody");
  const { promise: running, resolve } = Promise.withResolvers<void>();
  const told = (text: string) => begun.test(text) && resolve();
  const ended = shell([...args, "--url", first.address, "--token", token], {
    onOutput: told,
    onError: told,
  });
  await Promise.race([running, ended]);
  await first.stop();
  const second = await hubAsking("another token that nobody has", port);
  const { exitCode, stderr } = await ended;
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^UNAUTHORIZED/m);
  await somebody.close();
  await second.stop();
});
