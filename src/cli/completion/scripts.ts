/**
 * Completion for three shells, each as a script that knows all commands and asks nobody. All three do
 * the same: they follow the words so far to a command, and offer what can come next there: the values
 * of the option before, else options after a dash, else commands. Where it may be anything, files.
 */
import type { Completable } from "./tree.ts";

export type Shell = "bash" | "zsh" | "fish";

export const completionScripts: Readonly<Record<Shell, (tree: readonly Completable[]) => string>> =
  { bash, zsh, fish };

function bash(tree: readonly Completable[]): string {
  return `# Completion of colloquy for bash.
_colloquy() {
  local at=colloquy cur="\${COMP_WORDS[COMP_CWORD]}" word words=""
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
${stepLines(tree, 6)}
    esac
  done
  case "$at \${COMP_WORDS[COMP_CWORD-1]}" in
${valueCases(tree)
  .map(({ pattern, choices }) => `    ${pattern}) ${bashWords(choices)} ;;`)
  .join("\n")}
    *)
      case "$at" in
${placeCases(tree, (at) => `if [[ $cur == -* ]]; then words="${optionFlags(at)}"; else words="${following(at)}"; fi`)}
      esac
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _colloquy colloquy
`;
}

function bashWords(choices: readonly string[]): string {
  return choices.length === 0 ? "return" : `words="${choices.join(" ")}"`;
}

function zsh(tree: readonly Completable[]): string {
  return `#compdef colloquy
# Completion of colloquy for zsh.
_colloquy() {
  local at=colloquy word
  local -a described
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
${stepLines(tree, 6)}
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${valueCases(tree)
  .map(({ pattern, choices }) => `    ${pattern}) ${zshWords(choices)}; return ;;`)
  .join("\n")}
  esac
  case "$at" in
${placeCases(tree, (at) => `if [[ $PREFIX == -* ]]; then ${zshDescribe(optionsDescribed(at))}; else ${zshFollowing(at)}; fi`, 4)}
  esac
}
if [ "$funcstack[1]" = "_colloquy" ]; then _colloquy "$@"; else compdef _colloquy colloquy; fi
`;
}

function zshWords(choices: readonly string[]): string {
  return choices.length === 0 ? "_files" : `compadd -- ${choices.join(" ")}`;
}

function zshFollowing({ commands, choices }: Completable): string {
  if (commands.length > 0) {
    return zshDescribe(commands.map(({ name, description }) => [name, description]));
  }
  return zshWords(choices);
}

function zshDescribe(words: readonly (readonly [string, string])[]): string {
  const each = words.map(([word, text]) => quoted(`${word}:${text.replaceAll(":", "\\:")}`));
  return `described=(${each.join(" ")}); _describe colloquy described`;
}

function fish(tree: readonly Completable[]): string {
  const lines = tree.flatMap((at) => {
    const here = `complete -c colloquy -n "test (__colloquy_at) = '${at.path}'"`;
    return [
      ...at.commands.map(
        ({ name, description }) => `${here} -f -a ${name} -d ${quoted(description)}`,
      ),
      ...(at.choices.length === 0 ? [] : [`${here} -f -a ${quoted(at.choices.join(" "))}`]),
      ...at.options.map((option) => {
        const flags = option.flags.map((it) =>
          it.startsWith("--") ? `-l ${it.slice(2)}` : `-s ${it.slice(1)}`,
        );
        const values =
          option.choices.length > 0 ? ` -x -a ${quoted(option.choices.join(" "))}` : " -r";
        const description = `-d ${quoted(option.description)}`;
        return `${here} ${flags.join(" ")}${option.takesValue ? values : ""} ${description}`;
      }),
    ];
  });
  const steps = tree.flatMap(({ path, commands }) =>
    commands.map(({ name }) => `      case '${path} ${name}'\n        set at '${path} ${name}'`),
  );
  return `# Completion of colloquy for fish.
function __colloquy_at
  set -l at colloquy
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
${steps.join("\n")}
    end
  end
  echo $at
end
${lines.join("\n")}
`;
}

/** From a command to one below it. */
function stepLines(tree: readonly Completable[], indent: number): string {
  const lines = tree.flatMap(({ path, commands }) =>
    commands.map(({ name }) => `"${path} ${name}") at="${path} ${name}" ;;`),
  );
  return lines.map((line) => " ".repeat(indent) + line).join("\n");
}

/** Options that are followed by a value, under each command. */
function valueCases(
  tree: readonly Completable[],
): readonly { readonly pattern: string; readonly choices: readonly string[] }[] {
  return tree.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ flags, choices }) => ({
        pattern: flags.map((flag) => `"${path} ${flag}"`).join("|"),
        choices,
      })),
  );
}

function placeCases(
  tree: readonly Completable[],
  offer: (at: Completable) => string,
  indent = 8,
): string {
  return tree.map((at) => `${" ".repeat(indent)}"${at.path}") ${offer(at)} ;;`).join("\n");
}

function optionFlags({ options }: Completable): string {
  return options.flatMap(({ flags }) => flags).join(" ");
}

function optionsDescribed({ options }: Completable): readonly (readonly [string, string])[] {
  return options.flatMap(({ flags, description }) =>
    flags.map((flag) => [flag, description] as const),
  );
}

function following({ commands, choices }: Completable): string {
  return [...commands.map(({ name }) => name), ...choices].join(" ");
}

/** In single quotes, as all three understand them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}
