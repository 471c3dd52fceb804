/** Installs what bench/package.json names, next to it, where it is missing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const directory = new URL("../", import.meta.url);

/** A package whose optional parts depend on the platform makes a lock file that does not install elsewhere. */
const installArguments = [
  "install",
  "--no-package-lock",
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
];

/** @returns why the packages are not there, or undefined when they are. */
export async function installPackages(): Promise<string | undefined> {
  if (areInstalled()) return undefined;
  const prefix = ["--prefix", fileURLToPath(directory)];
  const npm = spawn("npm", [...installArguments, ...prefix], {
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  try {
    const [code] = await once(npm, "exit");
    return code === 0 && areInstalled() ? undefined : `npm install ended with ${code}`;
  } catch (error) {
    return `npm could not be started: ${String(error)}`;
  }
}

function areInstalled(): boolean {
  const { dependencies } = readManifest(new URL("package.json", directory));
  return Object.entries(dependencies ?? {}).every(([name, version]) => {
    const manifest = new URL(`node_modules/${name}/package.json`, directory);
    return existsSync(manifest) && readManifest(manifest).version === version;
  });
}

function readManifest(url: URL): {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(url, "utf8"));
}
