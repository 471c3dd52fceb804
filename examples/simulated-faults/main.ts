/**
 * A till and a bank, in two processes, under 100 seeds of kills, power cuts, broken links and full
 * disks. The till sends each payment once and again when it was killed; the bank books it by an effect
 * that commits with the payment. In the end the account must be right to the cent.
 *
 * Then the same with a bank that books by hand, beside the transaction: the simulator must find a seed
 * in which somebody paid twice.
 */
import assert from "node:assert/strict";
import { type ProcessContext, simulate } from "colloquy/testing";

const payments = Array.from({ length: 20 }, (_, index) => ({ id: `p-${index}`, cents: 1 + index }));
const total = payments.reduce((sum, { cents }) => sum + cents, 0);

/** Sends all of them each time it is started: what was sent before is recognised by its id. */
async function till({ join }: ProcessContext<never>): Promise<void> {
  const net = await join();
  const agent = await net.agent("till");
  await net.mailboxes.declare("agent:bank");
  for (const { id, cents } of payments) {
    await agent.send("agent:bank", "PAY", cents, { id, guarantee: "exactly-once" }).catch(() => {});
  }
}

function bank(booking: "staged" | "by hand") {
  return async ({ join, sleep }: ProcessContext<never>): Promise<void> => {
    const net = await join();
    const agent = await net.agent("bank");
    agent.handle(
      "PAY",
      async (cents, context) => {
        if (booking === "staged") context.log.append("account", cents);
        else await net.log.append("account", cents);
        await sleep(5);
      },
      { retry: { attemptsMax: 100, capMs: 100 } },
    );
    await agent.ready();
  };
}

function run(seed: number, booking: "staged" | "by hand") {
  return simulate<never>({
    seed,
    processes: { bank: bank(booking), till },
    // Watches the account until every payment has come in; one too many shows by then, or a little later.
    test: async ({ join, sleep }) => {
      const net = await join();
      let booked = 0;
      while (booked < total) {
        await sleep(100);
        booked = 0;
        for await (const { value } of net.log.read("account")) booked += value as number;
      }
      assert.equal(booked, total, `${booked} cents were booked instead of ${total}`);
    },
  });
}

for (let seed = 1; seed <= 100; seed++) await run(seed, "staged");
console.log("100 seeds: every payment was booked, and none twice");

let found: unknown;
for (let seed = 1; seed <= 100 && found === undefined; seed++) {
  found = await run(seed, "by hand").then(
    () => undefined,
    (error: unknown) => error,
  );
}
assert.ok(found instanceof Error, "no seed shows what is wrong with booking by hand");
console.log(`and booked by hand: ${found.message}`);
