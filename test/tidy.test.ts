/** The rules of the house that no compiler checks. Each finding names its file and line. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { determinismFindings } from "./support/determinism-rules.ts";
import { expectNone, type Finding, lineAt } from "./support/finding.ts";
import {
  importCycleFindings,
  importDirectionFindings,
  optionalPeerFindings,
} from "./support/import-rules.ts";
import {
  brokenLinkFindings,
  type CodeBlock,
  codeBlocks,
  readPage,
  unknownSubpathFindings,
} from "./support/markdown.ts";
import { absolute, emptyFoldersIn, exists, filesIn, read } from "./support/repository.ts";
import { runNode } from "./support/run-node.ts";
import { isNode, readSource, type Source, walk } from "./support/source.ts";

const codeLinesMax = 400;
const folders = ["src", "test", "examples", "bench", "scripts", "docs"];
const sources = filesIn("src", ".ts").map(readSource);
const pages = ["README.md", ...filesIn("docs", ".md")].filter(exists).map(readPage);

test("imports between the folders of src point one way", () => {
  expectNone(importDirectionFindings(sources));
});

test("optional peers are loaded by their brokers alone", () => {
  expectNone(optionalPeerFindings(sources));
});

test("no import cycles in src", () => {
  expectNone(importCycleFindings(sources));
});

test("only src/runtime touches real time and randomness", () => {
  expectNone(determinismFindings(sources.filter(({ path }) => !path.startsWith("src/runtime/"))));
});

test("no folder is empty", () => {
  const findings = folders.flatMap(emptyFoldersIn);
  expectNone(findings.map((file) => ({ file, line: 1, what: "is empty" })));
});

test(`no file of src has more than ${codeLinesMax} lines of code`, () => {
  const long = sources.filter(({ codeLines }) => codeLines > codeLinesMax);
  expectNone(
    long.map(({ path, codeLines }) => ({ file: path, line: 1, what: `has ${codeLines}` })),
  );
});

test("relative imports in src end in .ts", () => {
  const findings = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ target }) => target !== undefined && !target.endsWith(".ts"))
      .map(({ specifier, line }) => ({ file: path, line, what: `imports "${specifier}"` })),
  );
  expectNone(findings);
});

test("src has named exports only", () => {
  expectNone(sources.flatMap(defaultExportFindings));
});

test("README.md exists", () => {
  expect(exists("README.md")).toBe(true);
});

test("every export of the package has its source", () => {
  const file = "package.json";
  const text = read(file);
  const missing = [...packageExports()].filter(([, source]) => !exists(source));
  const findings = missing.map(([subpath, source]) => ({
    file,
    line: lineAt(text, text.indexOf(`"${subpath}":`)),
    what: `exports ${subpath} from ${source}, which does not exist`,
  }));
  expectNone(findings);
});

test("every subpath that the documentation names is exported", () => {
  const exported = new Set(packageExports().keys());
  expectNone(pages.flatMap((page) => unknownSubpathFindings(page, exported)));
});

test("relative links in the documentation lead somewhere", () => {
  expectNone(pages.flatMap(brokenLinkFindings));
});

for (const page of pages) {
  const blocks = codeBlocks(page).filter(({ info }) => info === "ts run");
  if (blocks.length > 0) test(`the code of ${page.path} runs`, () => runBlocks(blocks));
}

/**
 * Runs the blocks of a page one after the other, each as a file of this package, where "colloquy" resolves,
 * and in a directory of its own. They share a process, which has to end by itself.
 */
async function runBlocks(blocks: readonly CodeBlock[]): Promise<void> {
  mkdirSync(absolute(".snippets"), { recursive: true });
  const name = blocks[0]?.page.replaceAll("/", "-");
  const workingDirectory = mkdtempSync(join(tmpdir(), "colloquy-snippet-"));
  const steps = blocks.map(({ page, line, code }) => {
    const file = `${name}-${line}.ts`;
    writeFileSync(absolute(`.snippets/${file}`), code);
    const directory = join(workingDirectory, String(line));
    mkdirSync(directory);
    return `console.log("${page}:${line}");
      process.chdir(${JSON.stringify(directory)});
      await import("./${file}");\n`;
  });
  const program = absolute(`.snippets/${name}.mjs`);
  writeFileSync(program, steps.join(""));
  try {
    const timeoutMs = 15_000 * blocks.length;
    const run = await runNode(program, { workingDirectory, timeoutMs });
    expect(run.exitCode, `${run.stdout}${run.stderr}`).toBe(0);
  } finally {
    rmSync(workingDirectory, { recursive: true });
  }
}

/** From subpath to the source that it stands for, both as package.json writes them, less "./". */
function packageExports(): ReadonlyMap<string, string> {
  const { exports } = JSON.parse(read("package.json")) as {
    exports: Record<string, { "@colloquy/source": string }>;
  };
  const entries = Object.entries(exports);
  return new Map(
    entries.map(([subpath, conditions]) => [subpath, conditions["@colloquy/source"].slice(2)]),
  );
}

function defaultExportFindings({ path, text, program }: Source): readonly Finding[] {
  const findings: Finding[] = [];
  walk(program, (node) => {
    const exported = node["exported"];
    const renamed = isNode(exported) && exported["name"] === "default";
    if (!renamed && node.type !== "ExportDefaultDeclaration") return;
    findings.push({ file: path, line: lineAt(text, node.start), what: "has a default export" });
  });
  return findings;
}
