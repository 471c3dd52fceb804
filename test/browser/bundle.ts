/** The browser entry as a bundler for pages makes it of the sources. */
import { build, type Rolldown } from "vite";
import { absolute } from "../support/repository.ts";

export interface Bundle {
  /** Code by file name. */
  readonly files: ReadonlyMap<string, string>;
  /** The file that a page loads first. */
  readonly entry: string;
  /** Every module in it, as the bundler calls it; those of Node have a name of its own. */
  readonly modules: readonly string[];
}

/** Bundles `entry`, a path within the repository, with nothing that would stand in for Node. */
export async function bundleFor(entry: string, minify = false): Promise<Bundle> {
  const result = (await build({
    configFile: false,
    logLevel: "silent",
    root: absolute("."),
    resolve: { conditions: ["@colloquy/source", "module", "browser", "production"] },
    build: {
      write: false,
      minify,
      modulePreload: false,
      rolldownOptions: { input: absolute(entry), preserveEntrySignatures: "strict" },
    },
  })) as Rolldown.RolldownOutput;
  const chunks = result.output.filter((part) => part.type === "chunk");
  return {
    files: new Map(chunks.map(({ fileName, code }) => [fileName, code])),
    entry: chunks.find(({ isEntry }) => isEntry)?.fileName ?? "",
    modules: chunks.flatMap(({ moduleIds }) => moduleIds),
  };
}
