import { expect, test } from "vitest";
import { audit, broken, type History } from "./audit.ts";
import { orderOf } from "./order.ts";

const clean: History = {
  acknowledged: ["s-1", "s-2", "s-4"],
  rejected: [],
  started: ["s-1", "s-2", "s-4"],
  effects: ["s-1", "s-2", "s-4"],
  dead: [],
};

/** Two numbers of one sender with the same key and priority. */
function twoInOrder(): readonly [string, string] {
  const of = (number: number) => orderOf("s", number);
  for (let later = 2; ; later++) {
    for (let earlier = 1; earlier < later; earlier++) {
      const [a, b] = [of(earlier), of(later)];
      if (a.key !== undefined && a.key === b.key && a.priority === b.priority) return [a.id, b.id];
    }
  }
}

test("books without a mistake are found to be without one", () => {
  expect(broken(audit(clean))).toEqual({});
});

test("each broken promise is found, and named", () => {
  const [earlier, later] = twoInOrder();
  const find = (changes: Partial<History>) => broken(audit({ ...clean, ...changes }));
  expect(find({ effects: ["s-1", "s-2"] })).toEqual({ lost: ["s-4"] });
  expect(find({ rejected: ["s-1"] })).toEqual({ rejectedYetDone: ["s-1"] });
  expect(find({ effects: [...clean.effects, "s-4"] })).toEqual({ doubleEffects: ["s-4"] });
  expect(broken(audit({ ...clean, acknowledged: [], effects: [later, earlier] }))).toEqual({
    inversions: [earlier],
  });
  expect(find({ started: [...clean.started, "s-3", "s-3"] })).toEqual({ secondStarts: ["s-3"] });
});

test("a message that allows it may start again, and one that is dead is not lost", () => {
  const found = audit({
    ...clean,
    started: [...clean.started, "s-1"],
    effects: ["s-1", "s-2"],
    dead: ["s-4"],
  });
  expect(broken(found)).toEqual({});
  expect(found.repeatedStarts).toBe(1);
});
