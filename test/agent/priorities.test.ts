/** G5: twice as much as can be done, in every class all the time. */
import type { Network } from "colloquy";
import { expect, test } from "vitest";
import { openFabric } from "../support/fabric.ts";

const weights = { critical: 8, high: 4, normal: 2, low: 1 } as const;
type Class = keyof typeof weights;
const classes = Object.keys(weights) as Class[];
const startsCounted = 3_000;

test("G5: under twice the load critical, high, normal and low are served 8:4:2:1, within 5%", {
  timeout: 60_000,
}, async () => {
  const fabric = await openFabric(2);
  const [sending, working] = fabric.networks as [Network, Network];
  const worker = await fabric.until(working.agent("worker", { capacity: 10 }));
  const sender = await fabric.until(sending.agent("sender"));
  const starts: Class[] = [];
  worker.handle<Class>("WORK", async (of) => {
    starts.push(of);
    await new Promise<void>((resolve) => fabric.clock.setTimer(10, resolve));
  });
  await fabric.until(worker.ready());

  // A thousand a second are done, and two thousand sent; before it begins, some of each class wait.
  const send = (priority: Class) =>
    void sender.send("agent:worker", "WORK", priority, { priority });
  for (const priority of classes) for (let count = 0; count < 500; count++) send(priority);
  while (starts.length < startsCounted + 200) {
    for (const priority of classes) for (let count = 0; count < 500; count++) send(priority);
    await fabric.clock.advance(1_000);
  }
  // Without the first starts, which were made when nothing else was there yet.
  const counted = starts.slice(200, 200 + startsCounted);
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  for (const of of classes) {
    const share = counted.filter((it) => it === of).length / startsCounted;
    const due = weights[of] / total;
    expect(Math.abs(share - due) / due, `${of}: ${share} instead of ${due}`).toBeLessThan(0.05);
    expect(share, of).toBeGreaterThan(0.05);
  }
  await fabric.close();
});
