/**
 * Topics and the patterns that match them.
 *
 *   topic   = token ("." token)*                     market.updates
 *   pattern = (token | "*") ("." (token | "*"))*     market.*      `*` is any one token
 *             ["." ">"] | ">"                        orders.>      a last `>` is one or more tokens
 *   token   = 1 or more ASCII letters, digits, `_` `-` `/` `:` `@`
 *
 * At most 255 characters and 32 tokens. A token that begins with `_` is internal: users can neither
 * publish nor subscribe to it, and no wildcard matches it, so that `>` never sees an inbox.
 */
import { ColloquyError } from "../errors.ts";
import { tokenCharacters, tokenClass } from "./characters.ts";
import { topicCharactersMax, topicTokensMax } from "./limits.ts";

/** Who names the topic: only "internal" may use tokens that begin with `_`. */
export type TopicReach = "user" | "internal";

const dot = 46;
const underscore = 95;

/** @throws INVALID_ADDRESS with field `topic`, value and limit. */
export function assertTopic(topic: unknown, reach: TopicReach = "user"): asserts topic is string {
  const problem = topicProblem(topic, reach);
  if (problem !== undefined) throw invalid("topic", topic, problem);
}

/** @throws INVALID_ADDRESS with field `pattern`, value and limit. */
export function assertPattern(
  pattern: unknown,
  reach: TopicReach = "user",
): asserts pattern is string {
  const problem = grammarProblem(pattern, true, reach);
  if (problem !== undefined) throw invalid("pattern", pattern, problem);
}

export function isTopic(topic: unknown, reach: TopicReach = "user"): topic is string {
  return topicProblem(topic, reach) === undefined;
}

export function isPattern(pattern: unknown, reach: TopicReach = "user"): pattern is string {
  return grammarProblem(pattern, true, reach) === undefined;
}

/** True when a valid pattern names a single topic. */
export function isExact(pattern: string): boolean {
  return !pattern.includes("*") && !pattern.includes(">");
}

/** Found valid for internal use: the same few topics are named again and again, and checked at every port. */
let validTopics = new Set<unknown>();

const validTopicsMax = 1_024;

function topicProblem(topic: unknown, reach: TopicReach): string | undefined {
  if (reach === "internal" && validTopics.has(topic)) return undefined;
  const problem = grammarProblem(topic, false, reach);
  if (problem === undefined) {
    if (validTopics.size >= validTopicsMax) validTopics = new Set();
    validTopics.add(topic);
  }
  return problem;
}

/** What is wrong with the text, as the limit it breaks; undefined when nothing is. */
function grammarProblem(text: unknown, pattern: boolean, reach: TopicReach): string | undefined {
  if (typeof text !== "string") return "a string";
  const { length } = text;
  if (length === 0 || length > topicCharactersMax) return `1 to ${topicCharactersMax} characters`;
  let tokens = 1;
  let begin = 0;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (tokenClass[code] === 1) {
      if (index !== begin || code !== underscore || reach === "internal") continue;
      return "free of tokens that begin with _, which are internal";
    }
    if (code !== dot) {
      const problem = wildcardProblem(text, index, begin, pattern);
      if (problem !== undefined) return problem;
    } else if (index === begin) {
      return noEmptyTokens;
    } else {
      tokens++;
      begin = index + 1;
    }
  }
  if (begin === length) return noEmptyTokens;
  return tokens > topicTokensMax ? `at most ${topicTokensMax} tokens` : undefined;
}

/** Of a character that is neither a dot nor part of a token. */
function wildcardProblem(
  text: string,
  index: number,
  begin: number,
  pattern: boolean,
): string | undefined {
  const character = text.charAt(index);
  if (!pattern || (character !== "*" && character !== ">")) return `tokens of ${tokenCharacters}`;
  const next = text.charAt(index + 1);
  if (index !== begin || (next !== "" && next !== ".")) {
    return "wildcards that are a token of their own";
  }
  return character === ">" && next !== "" ? "a pattern with > as its last token only" : undefined;
}

const noEmptyTokens = "tokens of one character or more";

function invalid(field: string, value: unknown, limit: string): ColloquyError {
  const text = typeof value === "string" ? value : typeof value;
  const shown = text.length > topicCharactersMax ? `${text.slice(0, topicCharactersMax)}…` : text;
  return new ColloquyError(
    "INVALID_ADDRESS",
    `${field}: ${JSON.stringify(shown)} is not ${limit}`,
    {
      details: { field, value: shown, limit },
    },
  );
}
