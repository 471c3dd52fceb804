/**
 * docs/promises.md against the tests: every file that it names is there, every promise from G1 to G21
 * has its row in the table, and the files of a row have tests named after its promise.
 */
import { expect, test } from "vitest";
import { expectNone, type Finding, lineAt } from "./support/finding.ts";
import { exists, filesIn, read } from "./support/repository.ts";

const file = "docs/promises.md";
const page = read(file);
/** Those with a section. */
const claimed = new Set(Array.from(page.matchAll(/^## (G\d+) /gm), ([, promise]) => promise));
const promises = Array.from({ length: 21 }, (_, index) => `G${index + 1}`);

interface Row {
  readonly promise: string;
  readonly line: number;
  /** Whose tests are named after it. */
  readonly tests: readonly string[];
  /** What is reached, and what is not, in words. */
  readonly everyRun: string;
  readonly longRun: string;
}

const rows: readonly Row[] = Array.from(
  page.matchAll(/^\| (G\d+) ([^|]+)\|([^|]+)\|([^|]*)\|([^|]*)\|$/gm),
  ({ index, 1: promise = "", 3: tests = "", 4: everyRun = "", 5: longRun = "" }) => ({
    promise,
    line: lineAt(page, index),
    tests: pathsIn(tests),
    everyRun: everyRun.trim(),
    longRun: longRun.trim(),
  }),
);

test("every file that the page of promises names is there", () => {
  const named = [...pathsIn(page), ...Array.from(page.matchAll(/\]\((results\/[\w.-]+)/g), docs)];
  const missing = named.filter((path) => !exists(path));
  expectNone(
    missing.map((path) => finding(page.indexOf(path), `names ${path}, which is not there`)),
  );
  expect(named.length).toBeGreaterThan(50);
});

test("the table has a row for every promise from G1 to G21, in order", () => {
  expect(rows.map(({ promise }) => promise)).toEqual(promises);
});

test("what is promised has a test named after it in every file of its row, what is not says so", () => {
  const findings = rows.flatMap(({ promise, line, tests, everyRun, longRun }): Finding[] => {
    const isPromised = claimed.has(promise);
    if (isPromised === everyRun.startsWith("not there yet")) {
      return [{ file, line, what: `and its sections do not agree whether ${promise} is promised` }];
    }
    if (!isPromised) return [];
    if (tests.length === 0) return [{ file, line, what: `names no test of ${promise}` }];
    if (longRun === "") return [{ file, line, what: `says nothing of a long run of ${promise}` }];
    return tests
      .filter((path) => !promisesTestedIn(path).has(promise))
      .map((path) => ({ file, line, what: `${path} has no test named after ${promise}` }));
  });
  expectNone(findings);
});

test("every promise that a test is named after is promised", () => {
  const findings = filesIn("test", ".ts").flatMap((path) =>
    [...promisesTestedIn(path)]
      .filter((promise) => !claimed.has(promise))
      .map((promise) => ({ file: path, line: 1, what: `is named after ${promise}` })),
  );
  expectNone(findings);
});

/** From names such as "G2, G8: ...", "G1 G2: ...", "G3 and G4: ..." and "G1-G8: ...". */
function promisesTestedIn(path: string): ReadonlySet<string> {
  const names = exists(path)
    ? read(path).matchAll(/\b(?:test|describe)\(\s*["'`](G\d[^:"'`]*):/g)
    : [];
  const found = new Set<string>();
  for (const [, name = ""] of names) {
    for (const [, first = "", last = first] of name.matchAll(/G(\d+)(?:-G(\d+))?/g)) {
      for (let number = Number(first); number <= Number(last); number++) found.add(`G${number}`);
    }
  }
  return found;
}

/** Files of tests, in code. */
function pathsIn(text: string): readonly string[] {
  return Array.from(text.matchAll(/`(test\/[\w./-]+\.ts)`/g), ([, path = ""]) => path);
}

function docs([, path = ""]: RegExpMatchArray): string {
  return `docs/${path}`;
}

function finding(offset: number, what: string): Finding {
  return { file, line: lineAt(page, offset), what };
}
