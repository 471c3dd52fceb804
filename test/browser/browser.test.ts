/** A page in a real browser and an agent in Node, through a hub that takes WebSockets. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, type Network } from "colloquy";
import type * as Entry from "colloquy/browser";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MemoryBroker, openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Link, Listener } from "../../src/link/link.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { freePort } from "../support/servers/server.ts";
import { type Bundle, bundleFor } from "./bundle.ts";
import { chromiumPath, howToInstall, startChromium } from "./chromium.ts";

declare const colloquy: typeof Entry;
/** What the page keeps from one call of the test to the next. */
declare const kept: {
  net: Entry.Network;
  agent: Entry.Agent;
  heard: unknown[];
  statuses: string[];
};

const missing = chromiumPath === undefined && process.env["CI"] === undefined;
if (missing) process.stderr.write(`skipped: ${howToInstall}\n`);

let browser: Browser;
let page: Page;
let site: Server;
let bundle: Bundle;
let store: MemoryBroker;
let hub: Hub;
let listener: Listener;
let net: Network;
const links = new Set<Link>();

function origin(): string {
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

/** Another life of the hub, over the same broker, at the same address. */
async function startHub(id: string, port: number): Promise<void> {
  hub = new Hub({ broker: store, clock: systemClock, id });
  listener = await listenWebSocket({ port, origins: [origin()] }, (link) => {
    links.add(link);
    hub.accept(link);
  });
}

function cutLinks(): void {
  for (const link of links) link.destroy();
  links.clear();
}

beforeAll(async () => {
  if (missing) return;
  [bundle, browser] = await Promise.all([bundleFor("test/browser/page.ts"), startChromium()]);
  site = createServer(({ url = "/" }, response) => {
    const code = bundle.files.get(url.slice(1));
    const type = code === undefined ? "text/html" : "text/javascript";
    response.setHeader("content-type", `${type}; charset=utf-8`);
    response.end(code ?? `<!doctype html><script type="module" src="/${bundle.entry}"></script>`);
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  store = openMemoryBroker();
  await startHub("first", await freePort());
  net = await join(listener.address, { drainOnSignals: false });
  page = await browser.newPage();
  page.on("pageerror", (error) => expect.unreachable(error.message));
  await page.goto(origin());
  await page.waitForFunction("globalThis.colloquy !== undefined");
  await page.evaluate(async (url) => {
    const joined = await colloquy.join(url);
    const agent = await joined.agent("page");
    agent.handle("double", (value) => 2 * (value as number));
    agent.handle("echo", (value) => value);
    const all = { net: joined, agent, heard: [] as unknown[], statuses: [] as string[] };
    Object.assign(globalThis, { kept: all });
    void (async () => {
      for await (const { kind } of joined.statuses(new AbortController().signal)) {
        all.statuses.push(kind);
      }
    })();
  }, listener.address);
  await net.waitFor({ id: "page" });
}, 120_000);

afterAll(async () => {
  if (missing) return;
  await page?.evaluate(() => kept.net.close()).catch(() => undefined);
  await net?.close();
  await browser?.close();
  await listener?.close();
  await hub?.close();
  site?.close();
});

/** Somebody who has just come in is not yet known to everybody. */
async function known(id: string): Promise<void> {
  await page.evaluate(async (other) => {
    await kept.net.waitFor({ id: other });
  }, id);
}

test.skipIf(missing)("a request goes either way, a large one compressed", async () => {
  const desk = await net.agent("desk");
  desk.handle("greet", (name) => `Hello, ${name}!`);
  await known("desk");
  const greet = () => kept.agent.request("agent:desk", "greet", "page");
  expect(await page.evaluate(greet)).toBe("Hello, page!");
  expect(await desk.request("agent:page", "double", 21)).toBe(42);
  const large = Array.from({ length: 5_000 }, (_none, index) => `line ${index}`);
  expect(await desk.request("agent:page", "echo", large)).toEqual(large);
});

test.skipIf(missing)(
  "a stream keeps its writer within the window, and leaving it ends it",
  async () => {
    const writer = await net.agent("writer");
    let written = 0;
    let ended = (): void => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    writer.handle("count", async function* () {
      try {
        for (;;) yield ++written;
      } finally {
        ended();
      }
    });
    await known("writer");
    const read = await page.evaluate(async () => {
      const numbers: unknown[] = [];
      const story = kept.agent.stream("agent:writer", "count", undefined, { window: 4 });
      story.result.catch(() => {});
      for await (const number of story) if (numbers.push(number) === 10) break;
      return numbers;
    });
    expect(read).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await end;
    expect(written).toBeLessThanOrEqual(10 + 2 * 4);
  },
);

test.skipIf(missing)("what is published is heard on the other side", async () => {
  await page.evaluate(async () => {
    await kept.agent.subscribe("market.*", (price) => kept.heard.push(price));
  });
  const feed = await net.agent("feed");
  const heard = new Promise((resolve) => {
    void feed
      .subscribe("page.*", resolve)
      .then(() => page.evaluate(() => kept.agent.publish("page.here", "I am")));
  });
  expect(await heard).toBe("I am");
  await feed.publish("market.gold", 4_071);
  await page.waitForFunction("kept.heard.length === 1");
  expect(await page.evaluate(() => kept.heard)).toEqual([4_071]);
});

test.skipIf(missing)("a command that the page sends is kept, handled and settled", async () => {
  const mailer = await net.agent("mailer");
  mailer.handle("SEND", (mail) => ({ sent: mail }));
  await mailer.ready();
  const outcome = await page.evaluate(async () => {
    const receipt = await kept.agent.send("agent:mailer", "SEND", "welcome");
    return receipt.settled();
  });
  expect(outcome).toEqual({ state: "done", result: { sent: "welcome" } });
});

test.skipIf(missing)("an aborted request is cancelled where it is handled", async () => {
  const slow = await net.agent("slow");
  const cancelled = new Promise<void>((resolve) => {
    slow.handle("wait", (_input, { signal }) => {
      void slow.publish("slow.began", true);
      return new Promise((done) => {
        signal.addEventListener("abort", () => {
          resolve();
          done(undefined);
        });
      });
    });
  });
  await known("slow");
  const code = await page.evaluate(async () => {
    const stop = new AbortController();
    await kept.agent.subscribe("slow.began", () => stop.abort());
    const call = kept.agent.request("agent:slow", "wait", undefined, { signal: stop.signal });
    return call.then(
      () => "answered",
      (error: { code: string }) => error.code,
    );
  });
  expect(code).toBe("CANCELLED");
  await cancelled;
});

test.skipIf(missing)(
  "the page comes back after its link was cut, and to the hub's successor",
  async () => {
    const desk = await net.agent("desk-2");
    const again = async (): Promise<void> => {
      const before = await page.evaluate(() => kept.statuses.length);
      cutLinks();
      await page.waitForFunction(
        // However many attempts it takes.
        (length) => /^(lost,)+ready$/.test(kept.statuses.slice(length).join()),
        before,
      );
      await net.waitFor({ id: "page" });
    };
    await again();
    expect(await desk.request("agent:page", "double", 4)).toBe(8);

    const port = Number(new URL(listener.address).port);
    await listener.close();
    const lost = page.waitForFunction("kept.statuses.at(-1) === 'lost'");
    cutLinks();
    await lost;
    await hub.close();
    await startHub("second", port);
    await page.waitForFunction("kept.statuses.at(-1) === 'ready'");
    await net.waitFor({ id: "page" });
    expect(await desk.request("agent:page", "double", 5, { timeoutMs: 10_000 })).toBe(10);
  },
);

test.skipIf(missing)("a page of another origin is refused", async () => {
  const stranger = await browser.newPage();
  await stranger.goto(origin().replace("127.0.0.1", "localhost"));
  await stranger.waitForFunction("globalThis.colloquy !== undefined");
  const code = await stranger.evaluate(async (url) => {
    return colloquy.join(url).then(
      () => "joined",
      (error: { code: string }) => error.code,
    );
  }, listener.address);
  expect(code).toBe("AGENT_UNREACHABLE");
});
