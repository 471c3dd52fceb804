/** Completion, by the shells themselves. */
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { Shell } from "../../src/cli/completion/scripts.ts";
import { shell } from "./support/shell.ts";

/** What each shell does with its script, and the words so far, the last of which is to be completed. */
const complete: Readonly<Record<Shell, string>> = {
  bash: `eval "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _colloquy
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // The functions that a line editor would have, which fill its menu.
  zsh: `compdef() { }; _files() { print FILES }; compadd() { shift; print -l -- "$@" }
    _describe() { print -l -- "\${(@)described%%:*}" }
    eval "$SCRIPT"; words=("$@"); CURRENT=$#; PREFIX="\${words[-1]}"; _colloquy`,
  fish: `echo "$SCRIPT" | source; complete -C "$argv" | string replace -r '\\t.*' ''; true`,
};

const missing = (name: string) => spawnSync(name, ["-c", "true"]).status !== 0;

describe.each(["bash", "zsh", "fish"] as const)("%s", (name) => {
  const onShell = name === "bash" || !missing(name) ? test : test.skip;
  let script = "";

  async function completed(...words: readonly string[]): Promise<readonly string[]> {
    script ||= (await shell(["completion", name])).stdout;
    const args =
      name === "fish" ? ["-c", complete.fish, ...words] : ["-c", complete[name], name, ...words];
    const output = execFileSync(name, args, {
      encoding: "utf8",
      env: { ...process.env, SCRIPT: script },
    });
    const found = output.split("\n").filter((line) => line !== "");
    // Bash and fish leave out what does not match; zsh leaves that to its editor.
    const last = words.at(-1) ?? "";
    return name === "zsh" ? found.filter((it) => it.startsWith(last) || it === "FILES") : found;
  }

  onShell("completes commands, those below them, options and their values", async () => {
    expect(await completed("colloquy", "s")).toEqual(
      expect.arrayContaining(["stream", "send", "subscribe"]),
    );
    expect(await completed("colloquy", "tra")).toEqual(["track"]);
    expect(await completed("colloquy", "queues", "d")).toEqual(["declare"]);
    expect(await completed("colloquy", "dead", "")).toEqual(
      expect.arrayContaining(["list", "show", "replay", "purge"]),
    );
    expect(await completed("colloquy", "send", "agent:a", "x", "--gu")).toEqual(["--guarantee"]);
    expect(await completed("colloquy", "send", "--guarantee", "at-")).toEqual(
      expect.arrayContaining(["at-most-once", "at-least-once"]),
    );
    expect(await completed("colloquy", "queues", "browse", "--l")).toEqual(["--limit"]);
    expect(await completed("colloquy", "completion", "f")).toEqual(["fish"]);
    expect(await completed("colloquy", "no", "--gu")).toEqual([]);
  });
});

test("another shell is wrong usage", async () => {
  const { exitCode, stderr } = await shell(["completion", "tcsh"]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("Allowed choices are bash, zsh, fish.");
});
