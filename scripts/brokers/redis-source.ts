/**
 * Builds redis-server from the source package of Debian's newest suite, whichever suite this system is:
 * Debian 12 itself has 7.0, which lacks WAITAOF. apt checks the signatures. It keeps its lists and caches
 * in a directory of ours here, so that nobody has to be root and the system's own lists stay as they are.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { output, run, type Say } from "./run.ts";

const suite = "sid";
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** For a server on loopback: without TLS, systemd, and an allocator that is built first. */
const makeOptions = ["MALLOC=libc", "BUILD_TLS=no", "USE_SYSTEMD=no", "OPTIMIZATION=-O2"] as const;

/**
 * @param directory - gets `redis-server`, whole or not at all.
 * @throws Error of the step that failed.
 */
export async function buildRedis(directory: string, say: Say): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "colloquy-redis-"));
  try {
    const source = await fetchSource(work, say);
    const src = join(source, "src");
    const jobs = `-j${availableParallelism()}`;
    await run(["make", jobs, ...makeOptions, "redis-server"], { say, directory: src });
    const temporary = join(directory, `redis-server.${process.pid}`);
    copyFileSync(join(src, "redis-server"), temporary);
    renameSync(temporary, join(directory, "redis-server"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @returns the directory of the unpacked and patched source. */
async function fetchSource(work: string, say: Say): Promise<string> {
  for (const folder of ["lists/partial", "cache/archives/partial", "source"]) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  const list = join(work, "debian.sources");
  writeFileSync(
    list,
    `Types: deb-src\nURIs: ${await debianMirror()}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
  );
  const apt = [
    "apt-get",
    "-qq",
    ...["-o", "Acquire::Retries=5"],
    // Else a list that could not be fetched is a warning, and the source is missed later.
    ...["-o", "APT::Update::Error-Mode=any"],
    ...["-o", `Dir::Etc::sourcelist=${list}`],
    ...["-o", "Dir::Etc::sourceparts=/dev/null"],
    ...["-o", `Dir::State::lists=${join(work, "lists")}`],
    ...["-o", `Dir::Cache=${join(work, "cache")}`],
  ];
  await run([...apt, "update"], { say: () => say(`apt-get update, of the sources of ${suite}`) });
  const directory = join(work, "source");
  await run([...apt, "source", "redis"], { directory, say: () => say("apt-get source redis") });
  const unpacked = readdirSync(directory, { withFileTypes: true }).find((entry) =>
    entry.isDirectory(),
  );
  if (unpacked === undefined) throw new Error("apt-get source redis has unpacked nothing");
  return join(directory, unpacked.name);
}

/** The one that this system gets its packages from. */
async function debianMirror(): Promise<string> {
  const format = "$(REPO_URI)";
  const targets = await output([
    "apt-get",
    "indextargets",
    "--format",
    format,
    "Created-By: Packages",
  ]);
  const mirror = targets.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (mirror === undefined) throw new Error("this system gets nothing from an archive of Debian");
  return mirror;
}
