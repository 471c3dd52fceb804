import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Link, Listener } from "../../src/link/link.ts";
import { connectUnix, listenUnix } from "../../src/link/unix.ts";
import { type LinkPair, linkCases } from "./link-cases.ts";

const directory = mkdtempSync(join(tmpdir(), "colloquy-link-"));
const never = new AbortController().signal;
let sockets = 0;

afterAll(() => rmSync(directory, { recursive: true }));

for (const { name, run } of linkCases) {
  test(name, async () => {
    const { listener, pair } = await openPair();
    try {
      await run(pair);
    } finally {
      pair.near.destroy();
      pair.far.destroy();
      await listener.close();
    }
  });
}

test("only the owner may connect: socket 0600 in a directory 0700", async () => {
  const path = join(directory, "private", "hub.sock");
  const listener = await listenUnix(path, () => {});
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, "private")).mode & 0o777).toBe(0o700);
  await listener.close();
});

test("a socket left behind by a process that died is replaced", async () => {
  const path = join(directory, "left.sock");
  const first = await listenUnix(path, () => {});
  const second = await listenUnix(path, (link) => void link.close());
  const link = await connectUnix(path)(never);
  for await (const _ of link.receive());
  await link.close();
  await second.close();
  await first.close();
});

test("connecting where nobody listens is AGENT_UNREACHABLE", async () => {
  await expect(connectUnix(join(directory, "nobody.sock"))(never)).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    retryable: true,
  });
});

test("an aborted signal cancels the attempt to connect", async () => {
  const cancelled = connectUnix(join(directory, "nobody.sock"))(AbortSignal.abort());
  await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
});

test("a path that the system would cut is refused with its limit", () => {
  const path = join(directory, "x".repeat(100));
  expect(() => connectUnix(path)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field: "path", bytesMax: 100 }),
    }),
  );
});

async function openPair(): Promise<{ listener: Listener; pair: LinkPair }> {
  const path = join(directory, `${++sockets}.sock`);
  const accepted: Link[] = [];
  const listener = await listenUnix(path, (link) => accepted.push(link));
  const near = await connectUnix(path)(never);
  while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return { listener, pair: { near, far: accepted[0] as Link } };
}
