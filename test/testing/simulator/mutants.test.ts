import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mutants } from "../../../scripts/mutants.ts";
import { applyEdits } from "../../../scripts/simulate-mutants.ts";
import { absolute } from "../../support/repository.ts";

test("every mutant still changes what it is meant to change", () => {
  for (const mutant of mutants) {
    const changed = applyEdits(mutant, (file) => readFileSync(absolute(`src/${file}`), "utf8"));
    expect(changed.size, mutant.name).toBeGreaterThan(0);
  }
});
