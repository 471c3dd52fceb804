/** Where src/ reads the real time, waits on it, or draws real randomness. */
import { type Finding, lineAt } from "./finding.ts";
import { isNode, type Source, type SyntaxNode, walk } from "./source.ts";

const timers = new Set(["setTimeout", "setInterval", "setImmediate"]);
const clocks = new Set([
  "AbortSignal.timeout",
  "Date.now",
  "Math.random",
  "performance.now",
  "process.hrtime",
]);
const modules = /^(node:)?(timers|perf_hooks)(\/|$)/;
const random = /^(random|getRandomValues$)/;

export function determinismFindings(sources: readonly Source[]): readonly Finding[] {
  return sources.flatMap((source) => {
    const findings: Finding[] = [];
    walk(source.program, (node, parent) => {
      const name = ambientUse(node, parent);
      if (name === undefined) return;
      const line = lineAt(source.text, node.start);
      findings.push({ file: source.path, line, what: `uses ${name} outside src/runtime` });
    });
    return findings;
  });
}

function ambientUse(node: SyntaxNode, parent: SyntaxNode | undefined): string | undefined {
  switch (node.type) {
    case "Identifier":
      return timerName(node, parent);
    case "MemberExpression":
      return memberName(node);
    case "NewExpression":
    case "CallExpression":
      return dateOfNow(node);
    case "ImportDeclaration":
      return importedName(node);
    default:
      return undefined;
  }
}

/** A timer that is called or passed on; not a property, a type or a declared name of another thing. */
function timerName(node: SyntaxNode, parent: SyntaxNode | undefined): string | undefined {
  const name = nameOf(node);
  if (name === undefined || !timers.has(name) || parent === undefined) return undefined;
  if (parent.type.startsWith("TS") || parent.type === "ImportSpecifier") return undefined;
  const named = parent["property"] === node || parent["key"] === node;
  return named && parent["computed"] !== true ? undefined : name;
}

function memberName(node: SyntaxNode): string | undefined {
  const object = nameOf(node["object"]);
  const property = nameOf(node["property"]);
  if (object === undefined || property === undefined) return undefined;
  if (object === "globalThis" && timers.has(property)) return property;
  const name = `${object}.${property}`;
  return clocks.has(name) || (object === "crypto" && random.test(property)) ? name : undefined;
}

function dateOfNow(node: SyntaxNode): string | undefined {
  const argumentsGiven = node["arguments"];
  if (nameOf(node["callee"]) !== "Date" || !Array.isArray(argumentsGiven)) return undefined;
  return argumentsGiven.length === 0 ? "the present Date" : undefined;
}

function importedName(node: SyntaxNode): string | undefined {
  const source = isNode(node["source"]) ? node["source"]["value"] : undefined;
  if (typeof source !== "string" || node["importKind"] === "type") return undefined;
  if (modules.test(source)) return source;
  if (!/^(node:)?crypto$/.test(source) || !Array.isArray(node["specifiers"])) return undefined;
  return node["specifiers"]
    .map((specifier: unknown) => (isNode(specifier) ? nameOf(specifier["imported"]) : undefined))
    .find((name) => name !== undefined && random.test(name));
}

function nameOf(value: unknown): string | undefined {
  if (!isNode(value) || value.type !== "Identifier") return undefined;
  return typeof value["name"] === "string" ? value["name"] : undefined;
}
