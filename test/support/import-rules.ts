/** Which folder of src/ may import which, and that no file imports itself by a detour. */
import type { Finding } from "./finding.ts";
import type { Source } from "./source.ts";

/** Imports point down. Areas on one line do not know each other, but all may use `errors`. */
const order: readonly (readonly string[])[] = [
  ["cli", "gateway", "browser"],
  ["patterns"],
  ["network"],
  ["hub", "agent"],
  ["exchange"],
  ["routing", "delivery"],
  ["broker"],
  ["link", "security"],
  ["message"],
  ["observe"],
  ["runtime", "errors"],
];

/** Clients that an install may lack, and the one folder that may load each. */
const optionalPeers: readonly (readonly [peer: RegExp, folder: string])[] = [
  [/^@nats-io\//, "src/broker/nats/"],
  [/^@redis\//, "src/broker/redis/"],
];

/** Whoever has not installed an optional peer neither loads it nor what is written over it. */
export function optionalPeerFindings(sources: readonly Source[]): readonly Finding[] {
  return sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, target, deferred, line }): readonly Finding[] =>
      optionalPeers
        .filter(([, folder]) => !path.startsWith(folder))
        .filter(([peer, folder]) =>
          target === undefined ? peer.test(specifier) : target.startsWith(folder) && !deferred,
        )
        .map(([, folder]) => ({
          file: path,
          line,
          what:
            target === undefined
              ? `imports ${specifier}, which only ${folder} may`
              : `loads ${target}, and with it an optional peer; use import()`,
        })),
    ),
  );
}

export function importDirectionFindings(sources: readonly Source[]): readonly Finding[] {
  return sources.flatMap((source) =>
    source.imports.flatMap(({ specifier, target, line }): readonly Finding[] => {
      const what = target === undefined ? selfImport(specifier) : refusal(source.path, target);
      return what === undefined ? [] : [{ file: source.path, line, what }];
    }),
  );
}

/** One finding per import that closes a cycle; type-only imports count. */
export function importCycleFindings(sources: readonly Source[]): readonly Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const finished = new Set<string>();
  const trail: string[] = [];
  const findings: Finding[] = [];

  const visit = (source: Source): void => {
    trail.push(source.path);
    for (const { target, line } of source.imports) {
      const next = target === undefined ? undefined : byPath.get(target);
      if (next === undefined || finished.has(next.path)) continue;
      const begin = trail.indexOf(next.path);
      if (begin === -1) {
        visit(next);
      } else {
        const cycle = [...trail.slice(begin), next.path].join(" → ");
        findings.push({ file: source.path, line, what: `closes a cycle: ${cycle}` });
      }
    }
    trail.pop();
    finished.add(source.path);
  };
  for (const source of sources) if (!finished.has(source.path)) visit(source);
  return findings;
}

function selfImport(specifier: string): string | undefined {
  if (!/^colloquy(\/|$)/.test(specifier)) return undefined;
  return `imports "${specifier}"; inside src the import is relative`;
}

function refusal(importer: string, imported: string): string | undefined {
  const from = areaOf(importer);
  const to = areaOf(imported);
  if (to === undefined) return `imports ${imported}, which is outside src`;
  if (from === to || from === "index" || from === "testing") return undefined;
  // The entry of pages has the types of the other one; that nothing else comes along is tested there.
  if (importer === "src/browser/index.ts" && to === "index") return undefined;
  if (from === undefined) return undefined;
  const fromRank = rankOf(from);
  const toRank = rankOf(to);
  if (fromRank === -1) return `${from} has no place yet in the order of import-rules.ts`;
  if (toRank > fromRank) return undefined;
  if (toRank === fromRank && to === "errors") return undefined;
  return `${from} must not import ${to}`;
}

/** `broker` for src/broker/memory.ts, `errors` for src/errors.ts; undefined outside src. */
function areaOf(path: string): string | undefined {
  return /^src\/([^/]+?)(\.ts)?(\/|$)/.exec(path)?.[1];
}

/** -1 for an area that nothing below may import: index, testing, and one without a place. */
function rankOf(area: string): number {
  return order.findIndex((areas) => areas.includes(area));
}
