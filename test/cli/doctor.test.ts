/** `colloquy doctor`: each thing that can be wrong, made wrong, and what is said of it. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { checkRuntime } from "../../src/cli/shell/diagnosis/runtime.ts";
import { sharedToken } from "../../src/hub/authentication.ts";
import { Hub } from "../../src/hub/hub.ts";
import { join } from "../../src/index.ts";
import { listenTcp } from "../../src/link/tcp.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { freePort } from "../support/servers/server.ts";
import { jsonLines, shell } from "./support/shell.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-doctor-"));

afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Told {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
  readonly remedy?: string;
}

async function examine(...args: readonly string[]) {
  const { exitCode, stdout } = await shell(["doctor", "--json", ...args]);
  const told = jsonLines(stdout) as readonly Told[];
  return { exitCode, of: (check: string) => told.find((it) => it.check === check) };
}

test("a healthy store that nobody has open, and one that somebody runs", async () => {
  const directory = joinPath(place, "healthy");
  const net = await join(`embedded:${directory}`, { onError: () => {} });
  await net.mailboxes.declare("type:mailer");
  const agent = await net.agent("shop");
  await agent.send("type:mailer", "SEND", "hello");
  const running = await examine("--dir", directory);
  expect(running.exitCode).toBe(0);
  expect(running.of("owner")).toMatchObject({ verdict: "ok", found: `process ${process.pid}` });
  expect(running.of("hub")?.verdict).toBe("ok");
  expect(running.of("durability")?.found).toMatch(/journalMode wal/);
  await net.close();
  const closed = await examine("--dir", directory);
  expect(closed.exitCode).toBe(0);
  expect(closed.of("owner")?.found).toMatch("nobody");
  expect(closed.of("store")?.found).toMatch(/^1 messages, .* all healthy$/);
  const covered = await examine("--dir", directory, "--durability", "process");
  expect(covered.exitCode).toBe(0);
  expect(covered.of("durability")?.found).toMatch(/covers process$/);
  const beyond = await examine("--dir", directory, "--durability", "replicated");
  expect(beyond.exitCode).toBe(1);
  expect(beyond.of("durability")?.remedy).toMatch("cluster");
  expect((await shell(["doctor", "--durability", "eternal"])).exitCode).toBe(2);
  const { stdout } = await shell(["doctor", "--dir", directory]);
  expect(stdout).toMatch(/CHECK +FOUND/);

  chmodSync(directory, 0o755);
  expect((await examine("--dir", directory)).of("directory")).toMatchObject({
    verdict: "warn",
    remedy: expect.stringMatching("chmod 700"),
  });
  writeFileSync(
    joinPath(directory, "hub.json"),
    JSON.stringify({ hub: "x", socket: joinPath(place, "gone.sock"), process: process.pid }),
  );
  const orphaned = await examine("--dir", directory);
  expect(orphaned.exitCode).toBe(1);
  expect(orphaned.of("owner")?.remedy).toMatch(`end process ${process.pid}`);
  rmSync(joinPath(directory, "hub.json"));

  const file = await open(joinPath(directory, "store.sqlite"), "r+");
  await file.write(Buffer.alloc(64, 0xff), 0, 64, 0);
  await file.close();
  const damaged = await examine("--dir", directory);
  expect(damaged.exitCode).toBe(1);
  expect(damaged.of("store")).toMatchObject({
    verdict: "fail",
    remedy: expect.stringMatching("colloquy export"),
  });
});

test("a hub that is away, one that asks for a token, and one that lets in", async () => {
  const broker = openMemoryBroker();
  const token = "a token that nobody guesses";
  const hub = new Hub({ broker, clock, id: "hub", authenticate: sharedToken(token) });
  const listener = await listenTcp({ port: await freePort() }, (link) => hub.accept(link));
  const url = ["--url", listener.address];
  const refused = await examine(...url);
  expect(refused.exitCode).toBe(1);
  expect(refused.of("hub")?.remedy).toMatch("--token");
  const welcome = await examine(...url, "--token", token);
  expect(welcome.exitCode).toBe(0);
  expect(welcome.of("hub")?.verdict).toBe("ok");
  expect(welcome.of("durability")).toMatchObject({ verdict: "warn" });
  await listener.close();
  await hub.close();
  await broker.close();
  const away = await examine(...url);
  expect(away.exitCode).toBe(1);
  expect(away.of("hub")?.remedy).toMatch("colloquy serve");
});

test("a password or a token in the URL of a hub is not shown, whether the hub is there or not", async () => {
  const broker = openMemoryBroker();
  const hub = new Hub({ broker, clock, id: "hub" });
  const listener = await listenWebSocket({ port: 0 }, (link) => hub.accept(link));
  const there = listener.address.replace("ws://", "ws://user:hunter2@");
  for (const url of [`${there}/?token=hunter2`, "ws://user:hunter2@127.0.0.1:1/?token=hunter2"]) {
    for (const args of [["--json"], []]) {
      const { stdout, stderr } = await shell(["doctor", ...args, "--url", url]);
      expect(stdout).toMatch(/ws:\/\/127\.0\.0\.1:\d+/);
      expect(`${stdout}${stderr}`).not.toMatch("hunter2");
    }
  }
  await listener.close();
  await hub.close();
  await broker.close();
});

test("a Node whose SQLite may corrupt a store is told", () => {
  const [, finding] = checkRuntime({ node: "24.1.0", sqlite: "3.49.1" });
  expect(finding).toMatchObject({ verdict: "fail", remedy: expect.stringMatching("24.15") });
});
