/** The parts of a Markdown page that can be wrong by themselves: code, links, subpaths. */
import { posix } from "node:path";
import { type Finding, lineAt } from "./finding.ts";
import { exists, read } from "./repository.ts";

export interface Page {
  readonly path: string;
  readonly text: string;
}

export interface CodeBlock {
  readonly page: string;
  /** The line of the opening fence, counted from 1. */
  readonly line: number;
  /** All that follows the opening fence, as in "ts run". */
  readonly info: string;
  readonly code: string;
}

const fencedBlock = /^```([^\n]*)\n(.*?)^```[^\S\n]*$/gms;

export function readPage(path: string): Page {
  return { path, text: read(path) };
}

export function codeBlocks({ path, text }: Page): readonly CodeBlock[] {
  return Array.from(text.matchAll(fencedBlock), ({ index, 1: info = "", 2: code = "" }) => ({
    page: path,
    line: lineAt(text, index),
    info: info.trim(),
    code,
  }));
}

/** Links without a scheme, outside code, whose file does not exist. */
export function brokenLinkFindings({ path, text }: Page): readonly Finding[] {
  const prose = text.replace(fencedBlock, blank).replace(/`[^`\n]+`/g, blank);
  return Array.from(prose.matchAll(/\]\(<?([^)\s#>]+)[^)]*\)|^\[[^\]]+\]:\s*<?([^\s#>]+)/gm))
    .map(({ index, 1: inline, 2: reference }) => ({ index, target: inline ?? reference ?? "" }))
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
    .filter(({ target }) => !exists(posix.join(posix.dirname(path), decodeURI(target))))
    .map(({ index, target }) => ({
      file: path,
      line: lineAt(text, index),
      what: `links to ${target}, which does not exist`,
    }));
}

/** Quoted names such as "colloquy/hub" that the package does not export. */
export function unknownSubpathFindings(
  { path, text }: Page,
  exported: ReadonlySet<string>,
): readonly Finding[] {
  return Array.from(text.matchAll(/(["'`])colloquy\/([\w/.-]+)\1/g))
    .filter(({ 2: subpath }) => !exported.has(`./${subpath}`))
    .map(({ index, 2: subpath }) => ({
      file: path,
      line: lineAt(text, index),
      what: `names colloquy/${subpath}, which package.json does not export`,
    }));
}

/** As many lines, none with anything on it, so that offsets keep their place. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}
