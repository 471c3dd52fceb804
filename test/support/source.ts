/** A TypeScript file, parsed as far as the rules of test/tidy.test.ts need. */
import { posix } from "node:path";
import { type ESTree, parseSync } from "vite";
import { lineAt } from "./finding.ts";
import { read } from "./repository.ts";

export interface SourceImport {
  readonly specifier: string;
  /** The path that a relative specifier names, from the root of the repository; else undefined. */
  readonly target: string | undefined;
  /** Nothing is loaded before the code that has it runs: import(), or types alone. */
  readonly deferred: boolean;
  readonly line: number;
}

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly program: ESTree.Program;
  /** Static, dynamic and type-only imports and re-exports, in the order of the text. */
  readonly imports: readonly SourceImport[];
  /** Lines that hold more than blanks and comments. */
  readonly codeLines: number;
}

/** A node of the tree, open enough to be walked without knowing its kind. */
export type SyntaxNode = { readonly type: string; readonly start: number } & Readonly<
  Record<string, unknown>
>;

export function readSource(path: string): Source {
  return parseSource(path, read(path));
}

/** @throws Error with the place, where the text does not parse. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}\n${error.codeframe ?? ""}`);
  return {
    path,
    text,
    program,
    imports: importsOf(path, text, program),
    codeLines: countCodeLines(text, comments),
  };
}

/** Calls `visit` for every node below `node`, outermost first, with its parent. */
export function walk(
  node: unknown,
  visit: (node: SyntaxNode, parent: SyntaxNode | undefined) => void,
  parent?: SyntaxNode,
): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, visit, parent);
  } else if (isNode(node)) {
    visit(node, parent);
    for (const value of Object.values(node)) walk(value, visit, node);
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function importsOf(path: string, text: string, program: ESTree.Program): readonly SourceImport[] {
  const imports: SourceImport[] = [];
  walk(program, (node) => {
    // Import and export declarations, import() and the type import("…") all carry a `source`.
    const source = node["source"];
    if (!isNode(source) || typeof source["value"] !== "string") return;
    const specifier = source["value"];
    const target = specifier.startsWith(".")
      ? posix.join(posix.dirname(path), specifier)
      : undefined;
    const types = [node["importKind"], node["exportKind"]].includes("type");
    const deferred = types || /^(ImportExpression|TSImportType)$/.test(node.type);
    imports.push({ specifier, target, deferred, line: lineAt(text, source.start) });
  });
  return imports;
}

function countCodeLines(
  text: string,
  comments: readonly { readonly start: number; readonly end: number }[],
): number {
  let code = "";
  let position = 0;
  for (const { start, end } of comments) {
    code += text.slice(position, start) + text.slice(start, end).replace(/[^\n]/g, " ");
    position = end;
  }
  code += text.slice(position);
  return code.split("\n").filter((line) => line.trim() !== "").length;
}
