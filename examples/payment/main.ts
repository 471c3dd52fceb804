// One payment, one charge, although the worker dies between charging and saying so.
//
//   main.ts ── CHARGE, durable, exactly once ──▶ biller.ts ── HTTP ──▶ service.ts
//
// `--forgetful` runs it against a service that does not deduplicate, and then it must fail.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { type ColloquyError, join } from "colloquy";
import { openPaymentService, post } from "./service.ts";

const order = { order: "order-17", cents: 1_250 };
const signal = AbortSignal.timeout(60_000);
const directory = mkdtempSync(joinPath(tmpdir(), "colloquy-payment-"));
const service = await openPaymentService(process.argv.includes("--forgetful"));
const net = await join(`embedded:${directory}`);
const billers: ChildProcess[] = [];

try {
  const shop = await net.agent("shop");
  const first = await startBiller();
  const receipt = await shop.send("type:billing", "CHARGE", order, {
    guarantee: "exactly-once",
    id: order.order, // sent again by a customer who clicks twice, it is a duplicate
  });

  // The money is taken, the answer is lost, and the worker dies: nobody inside knows.
  await service.firstCharge;
  first.kill("SIGKILL");
  await once(first, "exit", { signal });
  console.log(`Charged ${service.charges.length} time, and the worker is dead.`);

  // The command is still there. Another worker gets it, with the same key and a higher fence.
  await startBiller();
  const outcome = await receipt.settled({ signal });
  const [before, after, ...more] = service.requests;
  assert.ok(before !== undefined && after !== undefined && more.length === 0, "two attempts");
  assert.equal(after.key, before.key);
  assert.ok(after.fence > before.fence, "a later attempt has a higher fence");
  console.log(`Asked ${service.requests.length} times, charged ${service.charges.length} time.`);
  assert.deepEqual(service.charges, [order.cents], "one charge");
  assert.deepEqual(outcome, { state: "done", result: "charge-1" });

  // Had the first worker only been paused, and went on now: its fence is old, and it is refused.
  assert.equal((await post(service.url, before)).status, 409);
  assert.deepEqual(service.charges, [order.cents]);

  // And the customer clicks again.
  const again = await shop.send("type:billing", "CHARGE", order, {
    guarantee: "exactly-once",
    id: order.order,
  });
  assert.ok(again.duplicate);

  assert.equal((await net.store.get(`paid/${order.order}`))?.value, "charge-1");
  const payments: unknown[] = [];
  for await (const { value } of net.log.read("payments")) payments.push(value);
  assert.deepEqual(payments, [{ ...order, receipt: "charge-1" }], "booked once");
  console.log("Booked once.");
} catch (error) {
  console.error(`It is wrong: ${(error as ColloquyError).message}`);
  process.exitCode = 1;
} finally {
  for (const biller of billers) biller.kill("SIGKILL");
  service.close();
  await net.close();
  rmSync(directory, { recursive: true });
}

/** Resolves when it takes commands. */
async function startBiller(): Promise<ChildProcess> {
  const biller = fork(new URL("biller.ts", import.meta.url), [service.url], {
    env: { ...process.env, COLLOQUY_URL: `embedded:${directory}` },
  });
  billers.push(biller);
  await once(biller, "message", { signal });
  return biller;
}
