/** Which addresses have a mailbox, and what is said of the others. */
import { join, type Network } from "colloquy";
import { afterAll, beforeAll, expect, test } from "vitest";

let net: Network;
beforeAll(async () => {
  net = await join("memory:", { drainOnSignals: false });
});
afterAll(() => net.close());

const calls: readonly (readonly [string, string, (address: never) => Promise<unknown>])[] = [
  ["declare", "address", (it) => net.mailboxes.declare(it)],
  ["declare several", "addresses[1]", (it) => net.mailboxes.declare(["type:fine", it])],
  ["remove", "address", (it) => net.mailboxes.remove(it)],
  ["remove several", "addresses[1]", (it) => net.mailboxes.remove(["type:fine", it])],
  ["browse", "address", (it) => net.mailboxes.browse(it).next()],
  ["dead.list", "address", (it) => net.dead.list({ address: it }).next()],
  ["dead.watch", "address", (it) => net.dead.watch({ address: it }).next()],
];

test.each(calls)(
  "%s refuses what no mailbox has, and names the field",
  async (_name, field, of) => {
    for (const address of ["all:pool", "pool", "agent:", 7]) {
      const limit = address === "all:pool" ? "agent:, type: or skill:" : expect.any(String);
      await expect(of(address as never), String(address)).rejects.toMatchObject({
        code: "INVALID_ADDRESS",
        message: expect.stringContaining(`${field}: `),
        details: { field, limit },
      });
    }
    expect(await net.mailboxes.list()).toEqual([]);
  },
);

test("what reaches one at a time has a mailbox", async () => {
  const addresses = ["agent:a", "skill:s", "type:t"] as const;
  await net.mailboxes.declare(addresses);
  expect((await net.mailboxes.list()).map(({ address }) => address).sort()).toEqual(addresses);
  await net.mailboxes.remove(addresses);
});
