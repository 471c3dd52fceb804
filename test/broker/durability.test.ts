import { expect, test } from "vitest";
import type { Durability } from "../../src/broker/broker.ts";
import { assertDurability, coversDurability } from "../../src/broker/durability.ts";

const levels: readonly Durability[] = ["none", "process", "os", "replicated", "replicated+fsync"];

test("a level covers what survives no more than it does: a set, not a ladder", () => {
  const covered = Object.fromEntries(
    levels.map((level) => [level, levels.filter((wanted) => coversDurability(level, wanted))]),
  );
  expect(covered).toEqual({
    none: ["none"],
    process: ["none", "process"],
    os: ["none", "process", "os"],
    replicated: ["none", "process", "replicated"],
    "replicated+fsync": levels,
  });
});

test("a wish that is not covered is refused with what the broker has", () => {
  const claim = { level: "replicated", verified: true, evidence: { replicas: 3 } } as const;
  assertDurability(claim, "process");
  expect(() => assertDurability(claim, "os")).toThrow(
    expect.objectContaining({
      code: "DURABILITY_UNAVAILABLE",
      message: expect.stringContaining('has "replicated", which does not survive: power cut'),
      details: expect.objectContaining({
        wanted: "os",
        level: "replicated",
        evidence: { replicas: 3 },
      }),
    }),
  );
});

test("a level that was not verified is named as that", () => {
  const claim = { level: "none", verified: false, evidence: {} } as const;
  expect(() => assertDurability(claim, "process")).toThrow("only known to have");
});

test("an unknown level is a mistake of the caller", () => {
  const claim = { level: "os", verified: true, evidence: {} } as const;
  expect(() => assertDurability(claim, "toString" as Durability)).toThrow(
    expect.objectContaining({ code: "INVALID_OPTION" }),
  );
});
