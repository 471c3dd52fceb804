/** The page of the examples, as a newcomer meets it: a hub, an agent beside it, a browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { createInterface } from "node:readline";
import { join } from "colloquy";
import { createServer } from "vite";
import { expect, onTestFinished, test } from "vitest";
import { chromiumPath, startChromium } from "../browser/chromium.ts";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";

const missing = chromiumPath === undefined && process.env["CI"] === undefined;

test.skipIf(missing)(
  "a page asks an agent, is asked in turn, and hears the news",
  {
    timeout: 120_000,
  },
  async () => {
    const site = await createServer({
      root: absolute("examples/browser-page"),
      logLevel: "silent",
      cacheDir: directory("colloquy-page-"),
      server: { port: 0, host: "127.0.0.1", hmr: false, watch: null },
    });
    onTestFinished(() => site.close());
    await site.listen();
    const origin = new URL(site.resolvedUrls?.local[0] ?? "").origin;
    const hub = await serve(origin);

    run("examples/two-processes/greeter.ts", { COLLOQUY_URL: hub });
    const net = await join(hub, { drainOnSignals: false });
    onTestFinished(() => net.close());
    await net.waitFor({ id: "greeter" });

    const browser = await startChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    page.on("pageerror", (error) => expect.unreachable(error.message));
    await page.goto(`${origin}/?hub=${encodeURIComponent(hub)}`);
    await net.waitFor({ id: "page" });
    const heard = page.locator("#heard");

    await page.fill("[name=name]", "page");
    await page.locator("#status", { hasText: "ready" }).waitFor();
    await page.click("button");
    await heard.filter({ hasText: "Hello, page!" }).waitFor();

    const desk = await net.agent("desk");
    expect(await desk.request("agent:page", "show", "from the desk")).toMatch(/^shown to .*Chrom/);
    await desk.publish("news.weather", "sunny");
    await heard.filter({ hasText: "news.weather: sunny" }).waitFor();
    expect(await heard.innerText()).toContain("from the desk");
  },
);

async function serve(origin: string): Promise<string> {
  const data = ["--memory", "--http", "0", "--ws", "--origin", origin, "--json"];
  const hub = run("src/cli/main.ts", {}, "serve", ...data);
  for await (const line of createInterface({ input: hub.stdout as NodeJS.ReadableStream })) {
    const { endpoints } = JSON.parse(line) as { endpoints: { url: string }[] };
    const url = endpoints.map((it) => it.url).find((it) => it.startsWith("ws:"));
    if (url !== undefined) return url;
  }
  throw new Error("the hub ended before it was ready");
}

function run(file: string, environment: NodeJS.ProcessEnv, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [...sourceFlags, absolute(file), ...args], {
    cwd: directory("colloquy-page-"),
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

function directory(prefix: string): string {
  const path = mkdtempSync(joinPath(tmpdir(), prefix));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
