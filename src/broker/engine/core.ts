/** The parts of one engine, as its operations see them. */
import type { Clock } from "../../runtime/clock.ts";
import type { Changes } from "./changes.ts";
import type { Counters } from "./counters.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Directory } from "./directory.ts";
import type { Entries } from "./entries.ts";
import type { GroupCommit } from "./group.ts";
import type { EngineLimits } from "./limits.ts";
import type { Markers } from "./markers.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Producers } from "./producers.ts";
import type { OpenQuestions } from "./questions.ts";
import type { Queue } from "./queue.ts";
import type { RecentFences } from "./recent-fences.ts";
import type { Serials } from "./serials.ts";
import type { Storage } from "./storage.ts";
import type { Streams } from "./streams.ts";
import type { Timers } from "./timers.ts";
import type { TopicHub } from "./topics.ts";
import type { Watchers } from "./watchers.ts";

export interface Core {
  readonly clock: Clock;
  readonly storage: Storage;
  readonly limits: EngineLimits;
  readonly groups: GroupCommit;
  readonly counters: Counters;
  readonly serials: Serials;
  readonly timers: Timers;
  readonly changes: Changes;
  readonly directory: Directory;
  readonly markers: Markers;
  readonly producers: Producers;
  readonly recentFences: RecentFences;
  readonly outcomes: Outcomes;
  readonly deadLetters: DeadLetters;
  readonly questions: OpenQuestions;
  readonly entries: Entries;
  readonly streams: Streams;
  readonly watchers: Watchers;
  readonly topics: TopicHub;
  /** Looked at after the present group: there may be something to offer, or nothing to keep in memory. */
  readonly changed: (queue: Queue) => void;
  /** As `changed`, where there is no group. */
  readonly wake: (queue: Queue) => void;
  /** The engine closes, and what receivers hold is theirs to claim from the next one. */
  readonly handingOver: () => boolean;
}
