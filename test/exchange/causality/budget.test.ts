import { expect, test } from "vitest";
import { Budget } from "../../../src/exchange/causality/budget.ts";
import { fc } from "../../support/properties.ts";

type Move =
  | { readonly kind: "call"; readonly by: number; readonly most: number | undefined }
  | { readonly kind: "end"; readonly of: number; readonly claimed: number | undefined };

const number = fc.nat({ max: 60 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("call"), by: number, most: maybe() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("end"), of: number, claimed: maybe() }) },
);

function maybe(): fc.Arbitrary<number | undefined> {
  return fc.option(fc.nat({ max: 30 }), { nil: undefined });
}

test("no tree of calls, ended in any order and lied about, makes more calls than the first budget", () => {
  fc.assert(
    fc.property(fc.nat({ max: 50 }), fc.array(move, { maxLength: 200 }), (granted, moves) => {
      const root = new Budget(granted);
      const open = [root];
      let made = 0;
      for (const it of moves) {
        if (it.kind === "call") {
          const share = open[it.by % open.length]?.lend(it.most);
          if (share === undefined) continue;
          made++;
          open.push(share);
        } else open[1 + (it.of % Math.max(1, open.length - 1))]?.end(it.claimed);
        const left = open.reduce((sum, budget) => sum + budget.left, 0);
        expect(made + left).toBeLessThanOrEqual(granted);
      }
    }),
  );
});

test("what a call has not used comes back with its answer, so that calls in turn use all of it", () => {
  const budget = new Budget(10);
  for (let call = 0; call < 10; call++) budget.lend()?.end();
  expect(budget.left).toBe(0);
  expect(budget.lend()).toBeUndefined();
});

test("calls beside one another all get a share, half of what is left at a time", () => {
  const budget = new Budget(100);
  expect([budget.lend()?.left, budget.lend()?.left, budget.lend()?.left]).toEqual([50, 24, 12]);
  expect(budget.lend(3)?.left).toBe(3);
  expect(budget.lend(99)?.left).toBe(budget.granted - 3 - 50 - 24 - 12 - 3 - 2);
  expect(budget.left).toBe(0);
});

test("a share that has ended pays for nothing, and what comes back to it is lost", () => {
  const budget = new Budget(10);
  const share = budget.lend(5);
  const grandchild = share?.lend(2);
  expect(share?.end()).toBe(2);
  expect(share?.lend()).toBeUndefined();
  grandchild?.end();
  expect([share?.left, budget.left]).toEqual([0, 6]);
  expect(share?.end()).toBe(0);
});
