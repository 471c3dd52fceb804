import { expect, test } from "vitest";
import type { Lane } from "../../../src/broker/broker.ts";
import { message, Rig, text } from "./rig.ts";

const lanes: readonly Lane[] = [0, 1, 2, 3];

async function backlog(rig: Rig, each: number, of: readonly Lane[] = lanes): Promise<void> {
  for (const lane of of) {
    const messages = Array.from({ length: each }, () => message(String(lane), { lane }));
    await rig.enqueue("work", ...messages);
  }
}

async function shares(rig: Rig, served: number, credit: number): Promise<readonly number[]> {
  const counts = [0, 0, 0, 0];
  const reader = rig.receive("work", { credit });
  for (let left = served; left > 0; ) {
    const taken = await reader.settle();
    left -= taken.length;
    for (const { frame } of taken) (counts[Number(text(frame))] as number)++;
  }
  await reader.stop();
  return counts;
}

test.each([1, 7, 64])(
  "G5: under saturation lanes are served 8:4:2:1 within 5% (credit %i)",
  async (credit) => {
    const rig = await Rig.with(["work"], { windowMessagesMax: 50 });
    await backlog(rig, 2_000);
    const served = 3_000;
    const counts = await shares(rig, served, credit);
    const total = counts.reduce((sum, count) => sum + count);
    for (const [lane, weight] of [8, 4, 2, 1].entries()) {
      const share = (counts[lane] as number) / total;
      expect(Math.abs(share / (weight / 15) - 1)).toBeLessThan(0.05);
    }
  },
  60_000,
);

test("G5: lanes with nothing to offer leave their share to the others", async () => {
  const rig = await Rig.with(["work"]);
  await backlog(rig, 700, [1, 3]);
  const counts = await shares(rig, 500, 5);
  expect((counts[1] as number) / (counts[3] as number)).toBeCloseTo(4, 1);
});

test("G5: a backlog of low priority does not keep critical messages out of memory", async () => {
  const rig = await Rig.with(["work"], { windowMessagesMax: 10 });
  const reader = rig.receive("work", { credit: 1 });
  await backlog(rig, 1_000, [3]);
  await rig.enqueue("work", message("0", { lane: 0 }));
  await reader.settle();
  expect((await reader.take()).map(({ frame }) => text(frame))).toEqual(["0"]);
});

test("within a lane messages are offered in order of position, through window and restart", async () => {
  const rig = await Rig.with(["work"], { windowMessagesMax: 20 });
  const batch = Array.from({ length: 300 }, (_, index) => message(String(index)));
  for (let at = 0; at < 300; at += 10) await rig.enqueue("work", ...batch.slice(at, at + 10));
  const seen: string[] = [];
  for (let round = 0; round < 6; round++) {
    const reader = rig.receive("work", { credit: 50 });
    for (const { frame } of await reader.settle()) seen.push(text(frame));
    await reader.stop();
    await rig.restart();
  }
  expect(seen).toEqual(batch.map((_, index) => String(index)));
});

test("receivers with room take turns", async () => {
  const rig = await Rig.with(["work"]);
  const readers = [1, 2, 3].map(() => rig.receive("work", { credit: 100 }));
  await rig.clock.settle();
  await rig.enqueue("work", ...Array.from({ length: 90 }, (_, index) => message(String(index))));
  for (const reader of readers) expect((await reader.take()).length).toBe(30);
});
