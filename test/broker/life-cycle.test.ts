import { expect, test } from "vitest";
import {
  assertLegal,
  finalStates,
  isLegal,
  type LifeState,
  type Transition,
  transitions,
} from "../../src/broker/life-cycle.ts";
import { read } from "../support/repository.ts";

const states = [...new Set(transitions.flatMap(({ from, to }) => [from, to]))];

test("docs/life-cycle.md has the table of transitions as it is", () => {
  const [, table = ""] = read("docs/life-cycle.md").split(/<!-- \/?transitions -->/);
  expect(table.trim()).toBe(markdown());
});

test("docs/life-cycle.md says what every state means", () => {
  const page = read("docs/life-cycle.md");
  for (const state of states) expect(page).toContain(`| \`${state}\` |`);
});

test("nothing leads out of a final state", () => {
  const left = transitions.filter(({ from }) => finalStates.has(from));
  expect(left).toEqual([]);
  for (const from of finalStates) for (const to of states) expect(isLegal(from, to)).toBe(false);
});

test("every state is reached from queued, and from every live state an end", () => {
  const reached = new Set<LifeState>(["queued"]);
  for (const from of reached) for (const to of states) if (isLegal(from, to)) reached.add(to);
  expect([...reached].toSorted()).toEqual(states.toSorted());
  for (const from of states.filter((state) => !finalStates.has(state))) {
    expect([...finalStates].some((to) => isLegal(from, to))).toBe(true);
  }
});

test("what was started can neither expire nor be withdrawn", () => {
  expect(isLegal("started", "expired")).toBe(false);
  expect(isLegal("started", "rescinded")).toBe(false);
  expect(isLegal("waiting-input", "rescinded")).toBe(false);
});

test("a start that nobody saw explains what follows it", () => {
  expect(isLegal("queued", "done")).toBe(true);
  expect(isLegal("offered", "waiting-input")).toBe(true);
  expect(isLegal("started", "offered")).toBe(false);
});

test("a step that is not in the table is an internal error, never silent", () => {
  expect(() => assertLegal("started", "rescinded")).toThrow(
    expect.objectContaining({ code: "INTERNAL_ERROR" }),
  );
});

function markdown(): string {
  const row = ({ from, to, cause, counts }: Transition) =>
    `| \`${from}\` | \`${to}\` | ${cause} | ${counts ?? ""} |`;
  return ["| from | to | because | counts |", "|---|---|---|---|", ...transitions.map(row)].join(
    "\n",
  );
}
