import { describe, expect, test } from "vitest";
import { isColloquyError } from "../../../src/errors.ts";
import { deadlineOf, isPast } from "../../../src/exchange/causality/deadline.ts";
import { causalityLimits, checkLimits } from "../../../src/exchange/causality/limits.ts";
import {
  admit,
  type Call,
  type CausalityOptions,
  type Cause,
  type Mandate,
  mandateOf,
} from "../../../src/exchange/causality/mandate.ts";
import { pathText, pathTo, stepAtEnd } from "../../../src/exchange/causality/path.ts";
import type { Ancestor, Envelope } from "../../../src/message/envelope.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { fc } from "../../support/properties.ts";

interface Hop extends CausalityOptions {
  readonly agent: string;
  readonly name: string;
  readonly deadlineMs?: number;
  readonly passedMs: number;
  /** The message is encoded on its way, as between two processes. */
  readonly apart: boolean;
}

const hop: fc.Arbitrary<Hop> = fc.record(
  {
    agent: fc.constantFrom("a", "b", "c"),
    name: fc.constantFrom("x", "y"),
    passedMs: fc.nat({ max: 50 }),
    apart: fc.boolean(),
    hops: fc.nat({ max: 40 }),
    budget: fc.nat({ max: 40 }),
    reentrant: fc.boolean(),
    deadlineMs: fc.integer({ min: 1, max: 500 }),
  },
  { requiredKeys: ["agent", "name", "passedMs", "apart"] },
);

interface Message {
  readonly name: string;
  readonly agent: string;
  readonly mandate: Mandate | undefined;
  readonly deadlineAtMs: number;
}

/** What arrives where a message is decoded: numbers and names, no shared objects. */
function arrived(mandate: Mandate | undefined): Mandate | undefined {
  if (mandate === undefined) return undefined;
  const { hops, budget, sender } = mandate;
  return mandateOf(
    {
      hops,
      ...(budget === undefined ? {} : { budget: budget.granted }),
      ...(sender === undefined ? {} : { path: pathTo(sender) }),
    } as Envelope,
    causalityLimits,
  );
}

test("along any chain of messages deadline, hops and budget only shrink, and the path only grows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(hop, { minLength: 1, maxLength: 45 }), async (chain) => {
      const clock = new VirtualClock();
      let before: Message | undefined;
      for (const { passedMs, apart, ...options } of chain) {
        const { agent, name } = options;
        const cause: (Cause & { readonly deadlineAtMs: number }) | undefined = before && {
          ...before,
          run: undefined,
        };
        const deadlineAtMs = deadlineOf(clock, options, cause);
        const call: Call = {
          by: before?.agent ?? "root",
          cause,
          to: `agent:${agent}`,
          name,
          options,
        };
        const mandate = admitted(call, agent);
        if (mandate === "refused") break;
        if (before !== undefined) expectLess(before, { name, agent, mandate, deadlineAtMs });
        before = { name, agent, mandate: apart ? arrived(mandate) : mandate, deadlineAtMs };
        await clock.advance(passedMs);
      }
    }),
  );
});

function admitted(call: Call, target: string): Mandate | undefined | "refused" {
  try {
    return admit(causalityLimits, call, target);
  } catch (error) {
    if (isColloquyError(error)) return "refused";
    throw error;
  }
}

function expectLess(before: Message, after: Message): void {
  const { hopsMax } = causalityLimits;
  expect(after.deadlineAtMs).toBeLessThanOrEqual(before.deadlineAtMs);
  expect(after.mandate?.hops).toBeLessThan(before.mandate?.hops ?? hopsMax);
  const budget = before.mandate?.budget;
  if (budget !== undefined) expect(after.mandate?.budget?.granted).toBeLessThan(budget.granted);
  expect(pathTo(after.mandate?.sender)).toEqual([
    ...pathTo(before.mandate?.sender),
    { agent: before.agent, name: before.name },
  ]);
}

const path = (...agents: readonly string[]): readonly Ancestor[] =>
  agents.map((agent) => ({ agent, name: "ask" }));

const handling = (agents: readonly string[], more: Partial<Mandate> = {}): Cause => ({
  name: "ask",
  mandate: { hops: 10, budget: undefined, sender: stepAtEnd(path(...agents)), ...more },
  run: undefined,
});

const call = (by: string, cause: Cause, to: string, options: CausalityOptions = {}): Call => ({
  by,
  cause,
  to: `agent:${to}`,
  name: "ask",
  options,
});

describe("a call is refused", () => {
  test("when it would be the fourth turn of one method of one agent", () => {
    const cause = handling(["a", "b", "a", "b", "a"]);
    expect(() => admit(causalityLimits, call("b", cause, "a"), "a")).toThrow(
      expect.objectContaining({
        code: "LOOP_DETECTED",
        message: expect.stringContaining("a → b → a → b → a → b → a"),
        details: {
          name: "ask",
          to: "agent:a",
          path: path("a", "b", "a", "b", "a", "b"),
          loopsMax: 3,
        },
      }),
    );
    expect(admit(causalityLimits, call("b", cause, "c"), "c")?.hops).toBe(9);
    expect(admit(causalityLimits, { ...call("b", cause, "a"), name: "other" }, "a")?.hops).toBe(9);
    const again = call("b", cause, "a", { reentrant: true });
    expect(admit(causalityLimits, again, "a")?.hops).toBe(9);
  });

  test("without hops, and without a budget", () => {
    const refused = (more: Partial<Mandate>, code: string) =>
      expect(() => admit(causalityLimits, call("b", handling(["a"], more), "c"), "c")).toThrow(
        expect.objectContaining({
          code,
          message: expect.stringContaining("a → b"),
          details: { name: "ask", to: "agent:c", path: path("a", "b") },
        }),
      );
    refused({ hops: 0 }, "HOP_LIMIT");
    refused(
      { budget: mandateOf({ budget: 0 } as Envelope, causalityLimits)?.budget },
      "BUDGET_EXHAUSTED",
    );
  });
});

test("a path longer than the limit leaves no hops, whatever its sender claims", () => {
  const long = path(...Array.from({ length: 40 }, (_, n) => `a${n}`));
  expect(mandateOf({ path: long, hops: 60 } as unknown as Envelope, causalityLimits)?.hops).toBe(0);
  expect(mandateOf({ hops: 60 } as Envelope, causalityLimits)?.hops).toBe(32);
});

test("a long path is told by its ends, and an agent that follows itself once", () => {
  expect(pathText(path("a", "a", "b", "a"))).toBe("a → b → a");
  const text = pathText(path(...Array.from({ length: 30 }, (_, n) => `a${n}`)));
  expect(text).toContain("a7 → (14 more) → a22");
});

test("limits out of their range are refused by name", () => {
  expect(checkLimits({ hopsMax: 64, loopsMax: 1 })).toEqual({ hopsMax: 64, loopsMax: 1 });
  for (const [field, limits] of [
    ["limits.hopsMax", { hopsMax: 65 }],
    ["limits.hopsMax", { hopsMax: 1.5 }],
    ["limits.loopsMax", { loopsMax: 0 }],
  ] as const) {
    expect(() => checkLimits(limits)).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        details: expect.objectContaining({ field }),
      }),
    );
  }
});

test("the clock says when a deadline is past, and is not asked where there is none", () => {
  const clock = new VirtualClock();
  expect(isPast(clock, clock.nowMs())).toBe(true);
  expect(isPast(clock, clock.nowMs() + 1)).toBe(false);
  const untouched = { nowMs: () => expect.unreachable() } as unknown as VirtualClock;
  expect(isPast(untouched, Number.POSITIVE_INFINITY)).toBe(false);
});
