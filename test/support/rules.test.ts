/** The rules of test/tidy.test.ts, shown what they must find and what they must leave alone. */
import { expect, test } from "vitest";
import { determinismFindings } from "./determinism-rules.ts";
import {
  importCycleFindings,
  importDirectionFindings,
  optionalPeerFindings,
} from "./import-rules.ts";
import { brokenLinkFindings, codeBlocks, unknownSubpathFindings } from "./markdown.ts";
import { parseSource } from "./source.ts";

function importing(path: string, ...specifiers: readonly string[]) {
  return parseSource(path, specifiers.map((name) => `import type {} from "${name}";`).join("\n"));
}

test.for([
  ["src/broker/memory.ts", "../agent/agent.ts", "broker must not import agent"],
  ["src/hub/session.ts", "../agent/agent.ts", "hub must not import agent"],
  ["src/runtime/clock.ts", "../observe/signals.ts", "runtime must not import observe"],
  ["src/errors.ts", "./runtime/clock.ts", "errors must not import runtime"],
  ["src/agent/agent.ts", "../testing/index.ts", "agent must not import testing"],
  ["src/agent/agent.ts", "../index.ts", "agent must not import index"],
  ["src/agent/agent.ts", "../novelty/thing.ts", "agent must not import novelty"],
  ["src/novelty/thing.ts", "../errors.ts", "novelty has no place yet"],
  ["src/agent/agent.ts", "../../bench/main.ts", "outside src"],
  ["src/agent/agent.ts", "colloquy/testing", "inside src the import is relative"],
] as const)("%s may not import %s", ([path, specifier, what]) => {
  const [finding] = importDirectionFindings([importing(path, specifier)]);
  expect(finding?.what).toContain(what);
});

test.for([
  ["src/index.ts", "./network/join.ts"],
  ["src/testing/simulator.ts", "../network/join.ts"],
  ["src/agent/agent.ts", "../runtime/clock.ts"],
  ["src/agent/agent.ts", "./inbox.ts"],
  ["src/runtime/clock.ts", "../errors.ts"],
] as const)("%s may import %s", ([path, specifier]) => {
  expect(importDirectionFindings([importing(path, specifier)])).toEqual([]);
});

test("an optional peer is loaded by its own broker alone, and that only when it is asked for", () => {
  const text = `import { connect } from "@nats-io/transport-node";
    import { openNatsBroker } from "../broker/nats/index.ts";
    import type { NatsBrokerOptions } from "../broker/nats/index.ts";
    export const open = () => import("../broker/nats/index.ts");`;
  const lines = (path: string) => optionalPeerFindings([parseSource(path, text)]);
  expect(lines("src/network/join.ts")).toEqual([
    expect.objectContaining({ line: 1, what: expect.stringMatching(/only src\/broker\/nats/) }),
    expect.objectContaining({ line: 2, what: expect.stringMatching(/use import\(\)/) }),
  ]);
  expect(lines("src/broker/nats/connection.ts")).toEqual([]);
});

test("a cycle is reported once, with the files on it", () => {
  const sources = [
    importing("src/a.ts", "./b.ts", "./c.ts"),
    importing("src/b.ts", "./c.ts"),
    importing("src/c.ts", "./b.ts"),
  ];
  expect(importCycleFindings(sources)).toEqual([
    { file: "src/c.ts", line: 1, what: "closes a cycle: src/b.ts → src/c.ts → src/b.ts" },
  ]);
});

test("every kind of import counts", () => {
  const { imports } = parseSource(
    "src/hub/index.ts",
    `import "./a.ts"; export { b } from "./b.ts"; await import("./c.ts");
     export type D = import("./d.ts").D;`,
  );
  const targets = imports.map(({ target }) => target);
  expect(targets).toEqual(["src/hub/a.ts", "src/hub/b.ts", "src/hub/c.ts", "src/hub/d.ts"]);
});

test.for([
  "Date.now()",
  "const read = Date.now",
  "new Date()",
  "performance.now()",
  "Math.random()",
  "setTimeout(done, 5)",
  "globalThis.setInterval(done, 5)",
  "const later = { setImmediate }",
  "process.hrtime.bigint()",
  "crypto.randomUUID()",
  'import { randomBytes } from "node:crypto"',
  'import { setTimeout as sleep } from "node:timers/promises"',
])("real time or randomness is found in: %s", (code) => {
  expect(determinismFindings([parseSource("src/a.ts", code)])).toHaveLength(1);
});

test.for([
  "new Date(nowMs)",
  "clock.setTimeout(done, 5)",
  "const host = { setTimeout: schedule }",
  "type Timer = ReturnType<typeof setTimeout>",
  'import { createHash } from "node:crypto"',
  "// Date.now()",
])("real time or randomness is not seen in: %s", (code) => {
  expect(determinismFindings([parseSource("src/a.ts", code)])).toEqual([]);
});

test("blank lines and comments are not code", () => {
  const text = "/** One.\n * Two.\n */\n\nconst a = 1; // three\n// four\nconst b = `\n//`;\n";
  expect(parseSource("src/a.ts", text).codeLines).toBe(3);
});

const page = {
  path: "README.md",
  text: [
    "See [the licence](LICENSE#top), [nothing](docs/nothing.md) and [a site](https://example.org).",
    "```ts run",
    'import { join } from "colloquy/nothing"; // [not a link](nothing)',
    "```",
  ].join("\n"),
};

test("a link to a file that does not exist is found", () => {
  const what = "links to docs/nothing.md, which does not exist";
  expect(brokenLinkFindings(page)).toEqual([{ file: "README.md", line: 1, what }]);
});

test("a subpath that is not exported is found", () => {
  const what = "names colloquy/nothing, which package.json does not export";
  const findings = unknownSubpathFindings(page, new Set([".", "./hub"]));
  expect(findings).toEqual([{ file: "README.md", line: 3, what }]);
});

test("a code block is found with its line and its info string", () => {
  const [block] = codeBlocks(page);
  expect(block).toMatchObject({ page: "README.md", line: 2, info: "ts run" });
});
