/** The table of docs/brokers.md, without running it again: its cases, its brokers and its reasons. */
import { expect, test } from "vitest";
import { brokerCases } from "../../src/testing/index.ts";
import { read } from "../support/repository.ts";
import { differences } from "./support/differences.ts";
import { type ConformanceTable, readTable, withTable } from "./support/table.ts";
import { testedBrokers } from "./support/tested-brokers.ts";

const file = "docs/brokers.md";

test("the table has every case and every broker that there is", () => {
  const { brokers, rows } = readTable(read(file));
  expect(brokers).toEqual(testedBrokers.map(({ title }) => title));
  expect(rows.map(({ name }) => name)).toEqual(brokerCases.map(({ name }) => name));
});

test("every no of the table has the reason of differences.ts, and every difference is in the table", () => {
  const { rows } = readTable(read(file));
  const told = testedBrokers.map(({ name }, index) => [
    name,
    Object.fromEntries(
      rows.flatMap(({ name: row, findings }) => {
        const finding = findings[index];
        return typeof finding === "object" ? [[row, finding.reason]] : [];
      }),
    ),
  ]);
  const known = testedBrokers.map(({ name }) => [name, differences[name]]);
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(known));
});

test("a table that is written is read back, and leaves the rest of the page alone", () => {
  const table: ConformanceTable = {
    brokers: ["one", "two"],
    rows: [
      { name: "it does", findings: ["yes", "–"] },
      { name: "it does not", findings: [{ reason: "no clock" }, { reason: "no disk" }] },
      { name: "nor that", findings: ["yes", { reason: "no clock" }] },
    ],
  };
  const marks = "<!-- conformance: npm run conformance -- --save -->\nold\n<!-- /conformance -->";
  const page = withTable(`before\n${marks}\nafter`, table);
  expect(page).toMatch(/^before\n.*\nafter$/s);
  expect(page).not.toContain("old");
  expect(readTable(page)).toEqual(table);
  expect(readTable(withTable(page, table))).toEqual(table);
  expect(() => readTable("no marks")).toThrow("the page has no");
});
