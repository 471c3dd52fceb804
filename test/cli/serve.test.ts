/** `colloquy serve` as a process of its own, used by this one. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, expect, test } from "vitest";
import { join } from "../../src/index.ts";
import { authority } from "../support/certificates.ts";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";
import { shell } from "./support/shell.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-serve-"));
const data = joinPath(place, "data");
const timeoutMs = 120_000;
let child: ChildProcess | undefined;

afterEach(() => child?.kill("SIGKILL"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Ready {
  readonly process: number;
  readonly endpoints: readonly { readonly kind: string; readonly url: string }[];
}

async function serve(...args: readonly string[]): Promise<{ child: ChildProcess; ready: Ready }> {
  const program = [...sourceFlags, absolute("src/cli/main.ts"), "serve", "--json", ...args];
  const started = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "inherit"] });
  child = started;
  for await (const line of createInterface({ input: started.stdout })) {
    return { child: started, ready: JSON.parse(line) as Ready };
  }
  throw new Error("it ended before it was ready");
}

function urlOf({ endpoints }: Ready, kind: string): string {
  return endpoints.findLast((it) => it.kind === kind)?.url ?? "";
}

test("a killed hub that is started again has lost nothing, and leaves in order when asked to", {
  timeout: timeoutMs,
}, async () => {
  const socket = joinPath(place, "hub.sock");
  const args = ["--dir", data, "--unix", socket, "--http", "0", "--drain-delay", "5s"];
  const first = await serve(...args);
  const net = await join(`unix:${socket}`, { onError: () => {} });
  await net.mailboxes.declare("type:mailer");
  const agent = await net.agent("shop");
  const receipt = await agent.send("type:mailer", "SEND", "hello");
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  const { child: second, ready } = await serve(...args);
  const mailer = await net.agent("mailer-1", { type: "mailer" });
  mailer.handle("SEND", (mail) => mail);
  expect(await receipt.settled()).toEqual({ state: "done", result: "hello" });
  await net.close();

  // Who joins the directory finds the same hub.
  const neighbour = await join(`embedded:${data}`, { onError: () => {} });
  const http = urlOf(ready, "http");
  const health = async () => {
    const response = await fetch(`${http}/healthz`);
    return { ...((await response.json()) as object), httpStatus: response.status };
  };
  // The one that has left may be there for a moment.
  await expect.poll(health).toMatchObject({
    httpStatus: 200,
    status: "ready",
    process: second.pid,
    connections: 1,
    durability: { evidence: { journalMode: "wal" } },
  });
  await neighbour.close();
  expect((await fetch(`${http}/readyz`, { method: "HEAD" })).status).toBe(200);
  expect((await fetch(`${http}/readyz`, { method: "POST", body: "x" })).status).toBe(405);
  expect((await fetch(`${http}/`)).status).toBe(404);

  const exit = once(second, "exit");
  second.kill("SIGTERM");
  let status = 0;
  while (status !== 503) status = (await fetch(`${http}/readyz`)).status;
  expect((await fetch(`${http}/healthz`)).status).toBe(200);
  expect(await exit).toEqual([0, null]);
  expect(existsSync(joinPath(data, "hub.json"))).toBe(false);
});

test("limits are kept, and two hubs do not share a port", { timeout: timeoutMs }, async () => {
  const socket = joinPath(place, "small.sock");
  const { ready } = await serve(
    ...["--memory", "--unix", socket, "--http", "0", "--connections-max", "1"],
  );
  const net = await join(`unix:${socket}`, { onError: () => {} });
  await expect(join(`unix:${socket}`)).rejects.toMatchObject({ code: "RATE_LIMITED" });
  await net.close();

  const { port } = new URL(urlOf(ready, "http"));
  const taken = await shell(["serve", "--memory", "--http", port]);
  expect(taken.exitCode).toBe(1);
  expect(taken.stderr).toMatch(new RegExp(`cannot listen at http://127.0.0.1:${port}: .*in use`));
  const socketTaken = await shell(["serve", "--memory", "--no-http", "--unix", socket]);
  expect(socketTaken.stderr).toMatch("somebody listens there");
  expect(socketTaken.exitCode).toBe(1);
});

test("over TCP, TLS and WebSockets it asks for the token, and a page for its origin", {
  timeout: timeoutMs,
}, async () => {
  const tokenFile = joinPath(place, "token");
  writeFileSync(tokenFile, "a token that nobody guesses\n");
  const certificates = absolute("test/support/certificates");
  const { ready } = await serve(
    ...["--memory", "--tcp", "0", "--http", "0", "--ws", "--ws-path", "/fabric"],
    ...["--origin", "https://desk.example", "--token-file", tokenFile],
    ...["--tls-cert", `${certificates}/hub.crt`, "--tls-key", `${certificates}/hub.key`],
  );
  expect(ready.endpoints.map(({ kind }) => kind)).toEqual(["tls", "https", "wss"]);
  const trusting = { tls: { ca: authority }, drainOnSignals: false, onError: () => {} };
  const urls = [urlOf(ready, "tls"), urlOf(ready, "wss")];
  for (const url of urls) {
    await expect(join(url, trusting)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  }
  const token = "a token that nobody guesses";
  const [one, two] = await Promise.all(urls.map((url) => join(url, { ...trusting, token })));
  const echo = await one?.agent("echo");
  echo?.handle("echo", (input) => input);
  const asker = await two?.agent("asker");
  expect(await asker?.request("agent:echo", "echo", "hello")).toBe("hello");
  const told = await shell([
    ...["agents", "--json", "--url", urls[0] ?? "", "--token", token],
    ...["--ca", `${certificates}/authority.crt`],
  ]);
  expect(told.stdout).toMatch("echo");
  await Promise.all([one?.close(), two?.close()]);
});

test("a hub that asks for certificates lets a command in that shows one", async () => {
  const certificates = absolute("test/support/certificates");
  const { ready } = await serve(
    ...["--memory", "--tcp", "0", "--no-http", "--tls-ca", `${certificates}/authority.crt`],
    ...["--tls-cert", `${certificates}/hub.crt`, "--tls-key", `${certificates}/hub.key`],
  );
  const url = ["--url", urlOf(ready, "tls"), "--ca", `${certificates}/authority.crt`];
  const own = ["--tls-cert", `${certificates}/client.crt`];
  const known = [...url, ...own, "--tls-key", `${certificates}/client.key`];
  expect(await shell(["agents", ...known])).toMatchObject({ exitCode: 0 });
  expect((await shell(["doctor", ...known])).stdout).toMatch(/ok +hub/);
  const half = await shell(["agents", ...url, ...own]);
  expect(half.exitCode).toBe(2);
  expect(half.stderr).toMatch("cert and key go together");
  const naked = await shell(["doctor", ...url]);
  expect(naked.exitCode).toBe(1);
  expect(naked.stdout).toMatch("--tls-cert and --tls-key");
});

test("what it must not do is refused", async () => {
  for (const flags of [
    ["--http", "0.0.0.0:0"],
    ["--no-http", "--tcp", "0.0.0.0:0"],
  ]) {
    const open = await shell(["serve", "--memory", ...flags]);
    expect(open).toMatchObject({ exitCode: 2 });
    expect(open.stderr).toMatch("listen on 127.0.0.1");
  }
  expect((await shell(["serve", "--memory", "--no-http", "--ws"])).exitCode).toBe(2);
  expect((await shell(["serve", "--memory", "--tls-cert", "x"])).exitCode).toBe(2);
  expect((await shell(["serve", "--memory", "--token-file", "/nowhere"])).exitCode).toBe(2);
  const both = await shell(["serve", "--memory", "--dir", data]);
  expect(both.exitCode).toBe(2);
  expect((await shell(["serve", "--frame-bytes-max", "1GiB"])).exitCode).toBe(2);

  const precious = joinPath(place, "precious");
  writeFileSync(precious, "keep me");
  const file = await shell(["serve", "--memory", "--no-http", "--unix", precious]);
  expect(file.stderr).toMatch("it is no socket");
  expect(file.exitCode).toBe(1);
});

test("a hub that is started again gets the directory back from whoever took it over", {
  timeout: timeoutMs,
}, async () => {
  const shared = joinPath(place, "shared");
  const args = ["--dir", shared, "--no-http", "--unix", joinPath(place, "shared.sock")];
  const first = await serve(...args);
  const options = { drainOnSignals: false, onError: () => {} };
  const [one, two] = await Promise.all([
    join(`embedded:${shared}`, options),
    join(`embedded:${shared}`, options),
  ]);
  const echo = await one.agent("echo");
  echo.handle("echo", (input) => input);
  const asker = await two.agent("asker");
  await one.mailboxes.declare("type:clerk");
  const kept = await asker.send("type:clerk", "KEEP", "kept");

  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  // Answered through whichever of the two has taken over.
  expect(await asker.request("agent:echo", "echo", "between")).toBe("between");
  const second = await serve(...args);
  expect(readFileSync(joinPath(shared, "hub.json"), "utf8")).toMatch(
    `"process": ${second.ready.process}`,
  );
  expect(await asker.request("agent:echo", "echo", "after")).toBe("after");
  const clerk = await two.agent("clerk-1", { type: "clerk" });
  clerk.handle("KEEP", (input) => input);
  expect(await kept.settled()).toEqual({ state: "done", result: "kept" });

  // A third waits for the second, and has the directory when that has ended.
  const third = serve(...args);
  second.child.kill("SIGTERM");
  await once(second.child, "exit");
  expect((await third).ready.process).not.toBe(second.ready.process);
  expect(await asker.request("agent:echo", "echo", "again")).toBe("again");
  await Promise.all([one.close(), two.close()]);
});
