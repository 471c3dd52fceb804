/** A checker reads a history and says where a promise of docs/promises.md was broken in it. */

import type { OrderEvent, ScenarioHistory, Sending } from "../events.ts";
import type { Recorded } from "../history.ts";

export interface Violation {
  /** "G1" and so on. */
  readonly promise: string;
  readonly what: string;
}

export type Checker = (history: ScenarioHistory) => readonly Violation[];

type Of<Kind extends OrderEvent["kind"]> = Recorded<Extract<OrderEvent, { kind: Kind }>>;

/** All that a history says about one message. */
export interface Story {
  readonly id: string;
  /** More than one where an exactly-once order was sent again. */
  readonly sendings: readonly Recorded<Sending>[];
  readonly acknowledged: boolean;
  /** Codes of the errors that sendings ended with. */
  readonly refusals: readonly string[];
  readonly starts: readonly Of<"started">[];
  readonly returned: ReadonlySet<number>;
  readonly threw: ReadonlySet<number>;
  readonly settled: string | undefined;
  readonly effects: readonly Of<"effect">[];
  /** Their numbers; one may have been seen more than once. */
  readonly deadLetters: ReadonlySet<number>;
}

type Draft = {
  -readonly [Field in keyof Story]: Story[Field] extends readonly (infer Item)[]
    ? Item[]
    : Story[Field] extends ReadonlySet<infer Item>
      ? Set<Item>
      : Story[Field];
};

/** In the order in which the messages were first heard of. */
export function storiesOf(history: ScenarioHistory): readonly Story[] {
  const stories = new Map<string, Draft>();
  for (const event of history) {
    if (!("id" in event)) continue;
    let story = stories.get(event.id);
    if (story === undefined) {
      story = emptyStory(event.id);
      stories.set(event.id, story);
    }
    tell(story, event);
  }
  return [...stories.values()];
}

function tell(
  story: Draft,
  event: Extract<ScenarioHistory[number], { readonly id: string }>,
): void {
  switch (event.kind) {
    case "sending":
      story.sendings.push(event);
      break;
    case "acknowledged":
      story.acknowledged = true;
      break;
    case "refused":
      story.refusals.push(event.code);
      break;
    case "started":
      story.starts.push(event);
      break;
    case "returned":
      story.returned.add(event.attempt);
      break;
    case "threw":
      story.threw.add(event.attempt);
      break;
    case "settled":
      story.settled = event.state;
      break;
    case "effect":
      story.effects.push(event);
      break;
    case "dead-letter":
      story.deadLetters.add(event.letter);
      break;
  }
}

function emptyStory(id: string): Draft {
  return {
    id,
    sendings: [],
    acknowledged: false,
    refusals: [],
    starts: [],
    returned: new Set(),
    threw: new Set(),
    settled: undefined,
    effects: [],
    deadLetters: new Set(),
  };
}

/** Until the last of these everything may take its time. */
export function disturbs(kind: string): boolean {
  return kind === "fault" || kind === "born" || kind === "killed" || kind === "owns";
}

/** The violations of those for which `problem` has something to say. */
export function complaints(
  promise: string,
  stories: readonly Story[],
  problem: (story: Story) => string | undefined,
): readonly Violation[] {
  return stories.flatMap((story) => {
    const what = problem(story);
    return what === undefined ? [] : [{ promise, what: `${story.id} ${what}` }];
  });
}
