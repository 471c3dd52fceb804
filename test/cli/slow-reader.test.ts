/** Whoever reads results too slowly: the rest waits, or is left out and told of. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { runProgram } from "../../src/cli/program.ts";
import { join } from "../../src/index.ts";
import { jsonLines, shell } from "./support/shell.ts";

test("subscribe does not hold what nobody reads, and says how much it has left out", async () => {
  const place = mkdtempSync(joinPath(tmpdir(), "colloquy-slow-"));
  const url = `embedded:${joinPath(place, "data")}`;
  const net = await join(url, { onError: () => {} });
  try {
    const publisher = await net.agent("publisher");
    const [out, err, stop] = [
      new PassThrough({ highWaterMark: 64 }),
      new PassThrough(),
      new AbortController(),
    ];
    let remarks = "";
    err.on("data", (chunk: Buffer) => {
      remarks += chunk.toString();
    });
    const args = ["subscribe", "news.>", "--json", "--url", url];
    const ended = runProgram(args, { out, err, signal: stop.signal });
    await expect.poll(() => remarks).toContain("listening");
    // Beyond what may wait to be written; in parts, so that the hub drops nothing on its way.
    for (let n = 0; n < 12_000; n++) {
      await publisher.publish("news.all", n);
      if (n % 500 === 0) await new Promise(setImmediate);
    }
    // Comes by the same link, behind all of them.
    const reader = { id: `shell-${process.pid}` };
    await net.waitFor(reader);
    const answer = publisher.request(`agent:${reader.id}`, "none");
    await expect(answer).rejects.toMatchObject({ code: "NO_HANDLER" });
    const written = text(out);
    await expect.poll(() => remarks).toMatch(/missed \d+: they came faster than they were read/);
    stop.abort();
    expect(await ended).toBe(0);
    out.end();
    const missed = Number(/missed (\d+)/.exec(remarks)?.[1]);
    const told = jsonLines(await written) as { data: number }[];
    expect(told.length + missed).toBeGreaterThanOrEqual(10_000);
    expect(told.slice(0, 100).map(({ data }) => data)).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    );
  } finally {
    await net.close();
    rmSync(place, { recursive: true, force: true });
  }
});

test("raw chunks do not steer a terminal, and are as they were sent elsewhere", async () => {
  const place = mkdtempSync(joinPath(tmpdir(), "colloquy-raw-"));
  const url = `embedded:${joinPath(place, "data")}`;
  const net = await join(url, { onError: () => {} });
  try {
    const writer = await net.agent("writer");
    writer.handle("tell", async function* () {
      yield "a\u001b[2J";
      yield "b";
    });
    const args = ["stream", "agent:writer", "tell", "--raw", "--url", url];
    expect((await shell(args)).stdout).toBe("a\u001b[2Jb\n");
    expect((await shell(args, { columns: 80 })).stdout).toBe("a\\u001b[2Jb\n");
  } finally {
    await net.close();
    rmSync(place, { recursive: true, force: true });
  }
});
