// Fails when this is not a Node that package.json's "engines" allows. Plain JavaScript, because an
// old Node cannot run TypeScript: where the install script of the dev dependency `node` was skipped,
// npm scripts silently run on whatever Node the system has.
import { readFileSync } from "node:fs";

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const current = process.versions.node;

// The ranges in use are `^a.b.c` and `>=a.b`, joined by ` || `.
const allowed = engines.node.split(" || ").some((range) => {
  const floor = range.replace(/^(\^|>=)/, "");
  if (range.startsWith("^") && current.split(".")[0] !== floor.split(".")[0]) return false;
  return current.localeCompare(floor, "en", { numeric: true }) >= 0;
});

if (!allowed) {
  console.error(`Colloquy needs Node ${engines.node}; this is ${current} (${process.execPath}).`);
  console.error(
    'Run "npm ci" with install scripts enabled: it installs the Node that npm scripts use.',
  );
  process.exit(1);
}
