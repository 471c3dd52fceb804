/** Modules of Node for files that also run in a page: without an import, which a bundler would follow. */
interface Modules {
  readonly "node:crypto": typeof import("node:crypto");
  readonly "node:diagnostics_channel": typeof import("node:diagnostics_channel");
  readonly "node:fs": typeof import("node:fs");
  readonly "node:os": typeof import("node:os");
  readonly "node:zlib": typeof import("node:zlib");
}

/** @returns undefined where there is no Node. */
export function builtin<Name extends keyof Modules>(name: Name): Modules[Name] | undefined {
  return globalThis.process?.getBuiltinModule?.(name) as Modules[Name] | undefined;
}
