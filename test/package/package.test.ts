/** The package as npm would install it: built, with what it depends on and nothing else of this repository. */
import { execFile, execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { absolute, read } from "../support/repository.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const run = promisify(execFile);

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(read("package.json")) as Manifest;
/** "colloquy", "colloquy/hub", ... */
const subpaths = Object.keys(manifest.exports).map((path) => path.replace(/^\./, "colloquy"));
const namespaces = subpaths.map((path, n) => `import * as part${n} from "${path}";`);

const tsc = absolute("node_modules/typescript/bin/tsc");

let home: string;

/** @returns a folder in which the package is installed, with `others` beside what it depends on. */
function installed(name: string, others: readonly string[]): string {
  const folder = join(home, name);
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "colloquy"), { recursive: true });
  cpSync(join(home, "dist"), join(modules, "colloquy/dist"), { recursive: true });
  copyFileSync(absolute("package.json"), join(modules, "colloquy/package.json"));
  for (const other of [...Object.keys(manifest.dependencies), ...others]) {
    mkdirSync(dirname(join(modules, other)), { recursive: true });
    symlinkSync(absolute(`node_modules/${other}`), join(modules, other));
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  return folder;
}

/** Type checks a file as strictly as anybody may. @returns what is wrong; nothing. */
async function check(folder: string, file: string, options: readonly string[]): Promise<string> {
  const strict = ["--noEmit", "--strict", "--skipLibCheck", "false"];
  const checking = run(process.execPath, [tsc, ...strict, ...options, file], { cwd: folder });
  return checking.then(({ stdout }) => stdout).catch(({ stdout }: { stdout: string }) => stdout);
}

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "colloquy-package-"));
  const to = ["--outDir", join(home, "dist"), "--declarationMap", "false", "--sourceMap", "false"];
  execFileSync(process.execPath, [tsc, "-p", absolute("tsconfig.build.json"), ...to]);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

test("a program in TypeScript needs the types of Node and no others", async () => {
  const folder = installed("program", ["@types/node"]);
  const use = `const net: part0.Network = await part0.join("memory:");\nawait net.close();\n`;
  writeFileSync(join(folder, "program.ts"), [...namespaces, use].join("\n"));
  const common = ["--target", "es2022", "--types", "node"];
  for (const [module, resolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ] as const) {
    const how = ["--module", module, "--moduleResolution", resolution];
    expect(await check(folder, "program.ts", [...common, ...how])).toBe("");
  }
});

test("a page in TypeScript needs no types of Node", async () => {
  const folder = installed("page", []);
  const page = `import { type Agent, join } from "colloquy/browser";
const net = await join("ws://localhost:4480");
const agent: Agent = await net.agent("page");
agent.handle("show", (text) => document.body.append(String(text)));
`;
  writeFileSync(join(folder, "page.ts"), page);
  const how = ["--target", "es2022", "--lib", "es2022,dom", "--module", "esnext"];
  const found = await check(folder, "page.ts", [...how, "--moduleResolution", "bundler"]);
  expect(found).toBe("");
});

test("a program in JavaScript can import every subpath, and has the command", async () => {
  const folder = installed("plain", []);
  const use = `const net = await part0.join("memory:");\nawait net.close();\nconsole.log("joined");`;
  writeFileSync(join(folder, "program.js"), [...namespaces, use].join("\n"));
  const { stdout } = await run(process.execPath, ["program.js"], { cwd: folder });
  expect(stdout).toBe("joined\n");
  const command = join("node_modules/colloquy", manifest.bin["colloquy"] ?? "");
  const version = await run(process.execPath, [command, "--version"], { cwd: folder });
  expect(version.stdout).toBe(`${manifest.version}\n`);
});
