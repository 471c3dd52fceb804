/**
 * Bugs that the simulator must find: each is one or more exact replacements in a copy of src/. A text
 * that no longer occurs exactly once fails loudly, so that a mutant cannot quietly become none.
 */
export interface Edit {
  /** Below src/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** Where it is looked for. Default: in all scenarios, as the seeds have it. */
  readonly scenario?: string;
  readonly edits: readonly Edit[];
}

function mutant(name: string, file: string, find: string, replace: string): Mutant {
  return { name, edits: [{ file, find, replace }] };
}

function mutantIn(scenario: string, one: Mutant): Mutant {
  return { scenario, ...one };
}

const engine = "broker/engine";

export const mutants: readonly Mutant[] = [
  mutant(
    "acknowledge before commit",
    `${engine}/intake.ts`,
    "    this.#outcomes = outcomes;\n",
    "    this.#outcomes = outcomes;\n    this.#tell(outcomes);\n",
  ),
  mutant(
    "settle before commit",
    `${engine}/settle.ts`,
    "    this.#outcomes = outcomes;\n",
    "    this.#outcomes = outcomes;\n    this.#tell(outcomes);\n",
  ),
  mutant(
    "skipped fence",
    `${engine}/settle.ts`,
    'held.state === "held" && held.fence === fence ? held : undefined;',
    'held.state === "held" ? held : undefined;',
  ),
  {
    name: "double lease: what a successor has claimed goes back with its predecessor",
    edits: [
      {
        file: `${engine}/leases.ts`,
        find: 'if (slot.holder !== receiver || slot.state !== "held") continue;',
        replace: 'if (slot.state !== "held") continue;',
      },
      {
        file: `${engine}/leases.ts`,
        find: 'return slot.state === "held" && slot.holder === this.#receiver;',
        replace: 'return slot.state === "held" && this.#receiver !== undefined;',
      },
    ],
  },
  mutant(
    "no grace for claims after a takeover",
    `${engine}/engine.ts`,
    "awaitsClaims ? limits.reconnectGraceMs : 0",
    "0",
  ),
  mutant(
    "claims are not presented after a reconnect",
    "broker/hub/deliveries.ts",
    "const claims = held?.values() ?? [];",
    "const claims: Claim[] = [];",
  ),
  mutant(
    "repetitions are forgotten at takeover",
    `${engine}/producers.ts`,
    "this.#producers.set(row.name, decode(row));",
    "decode(row);",
  ),
  mutant(
    "ids of exactly-once messages are not written",
    `${engine}/markers.ts`,
    '    writes.push({ table: "marker", ...row });\n',
    '    if (row.b < 0) writes.push({ table: "marker", ...row });\n',
  ),
  mutant(
    "the settlement is not written with its effects",
    `${engine}/queue-changes.ts`,
    "    for (const page of this.#touched) sealPage(page, writes);\n",
    "",
  ),
  mutant(
    "effects are made twice",
    `${engine}/settle.ts`,
    "if (settlement.effects !== undefined) applyEffects(this.#session, group, settlement.effects);",
    "for (const _ of [1, 2]) applyEffects(this.#session, group, settlement.effects ?? []);",
  ),
  mutant(
    "a handler that throws is taken for done, effects and all",
    "agent/inbox.ts",
    "    context.takeEffects();\n    const passedOn",
    '    if (work.kind === "command") return this.#succeed(work, context, undefined);\n    const passedOn',
  ),
  mutant(
    "a failed head lets its key go on",
    `${engine}/queue-changes.ts`,
    "else if (key !== undefined && state !== undefined) lane.release(key, position);",
    "else if (key !== undefined) lane.release(key, position);",
  ),
  mutant(
    "keys are not kept in order",
    `${engine}/lane.ts`,
    "if (key === undefined || this.#keys.lead(key, position)) {",
    "if (key === undefined || this.#keys.lead(key, position) || position > 0) {",
  ),
  {
    name: "expired messages are offered, and started",
    edits: [
      {
        file: `${engine}/dispatch.ts`,
        find: "if (slot.expiresAtMs !== 0 && slot.expiresAtMs <= nowMs) {",
        replace: "if (slot.expiresAtMs !== 0 && slot.expiresAtMs + 3_600_000 <= nowMs) {",
      },
      {
        file: "agent/command-work.ts",
        find: "return Math.min(this.deadlineAtMs, createdMs + (ttlMs ?? Number.POSITIVE_INFINITY));",
        replace: "return this.deadlineAtMs;",
      },
    ],
  },
  mutant(
    "delayed messages are early",
    `${engine}/intake.ts`,
    "notBeforeMs !== undefined && notBeforeMs > group.nowMs;",
    "notBeforeMs !== undefined && notBeforeMs > group.nowMs + 300;",
  ),
  mutant(
    "what is due at restart is forgotten",
    `${engine}/due.ts`,
    'if (kind === "scheduled") changes.of(queue, group).becomeDue(lane, position, row);',
    'if (kind === "scheduled" && queue.active !== undefined) changes.of(queue, group).becomeDue(lane, position, row);',
  ),
  {
    name: "dead letters are dropped when there is no room",
    edits: [
      {
        file: `${engine}/settle.ts`,
        find: 'if (outcome.kind === "dead" && core.deadLetters.full) {',
        replace: 'if (outcome.kind === "dead" && core.deadLetters.full && fenceless) {',
      },
      {
        file: `${engine}/settle.ts`,
        find: "const stale: SettleOutcome",
        replace: "const fenceless = false;\nconst stale: SettleOutcome",
      },
      {
        file: `${engine}/attempts.ts`,
        find: "  core.deadLetters.add(group, queue.name, slot, history, error);\n",
        replace:
          "  if (!core.deadLetters.full) core.deadLetters.add(group, queue.name, slot, history, error);\n",
      },
    ],
  },
  mutant(
    "at most once is offered before it is final",
    `${engine}/dispatch.ts`,
    "} else if (slot.atMostOnce) {",
    "} else if (slot.atMostOnce && nowMs < 0) {",
  ),
  mutant(
    "the lowest priority starves",
    `${engine}/queue.ts`,
    "[0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0];",
    "[0, 1, 0, 2, 0, 1, 0, 0, 0, 1, 0, 2, 0, 1, 0];",
  ),
  mutant(
    "all priorities are served alike",
    `${engine}/queue.ts`,
    "[0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0];",
    "[0, 1, 2, 3];",
  ),
  mutant(
    "what was not acknowledged is not sent again",
    "broker/hub/intake.ts",
    "    const repeatsFrom = this.#sent.base;\n",
    "    const repeatsFrom = this.#sent.base;\n    if (repeatsFrom > 0) return;\n",
  ),
  mutant(
    "settlements are not sent again",
    "broker/hub/settlements.ts",
    "of this.#sent.entries()) write(number, sent, output);",
    "of this.#sent.entries()) if (sent.sent === 0) write(number, sent, output);",
  ),
  mutant(
    "an entry is overwritten whatever its revision",
    `${engine}/writes.ts`,
    "if (ifRevision !== undefined && ifRevision !== revision) {",
    "if (ifRevision !== undefined && ifRevision > revision) {",
  ),
  mutant(
    "an entry of a log is put elsewhere than where it must be",
    `${engine}/writes.ts`,
    "} else if (this.#at !== undefined && this.#at !== next) {",
    "} else if (this.#at !== undefined && this.#at > next) {",
  ),
  mutantIn(
    "requests",
    mutant(
      "lost gap: a stream goes on behind a chunk that is missing",
      "exchange/requests/stream.ts",
      "if (sequence !== this.#received + 1) return false;",
      "if (sequence < this.#received + 1) return false;",
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "late reply delivered: an answer to a request that has ended goes to another one",
      "exchange/requests/remote-calls.ts",
      '    const wait = this.#waits.get(correlationId ?? "");\n',
      '    const wait = this.#waits.get(correlationId ?? "") ?? [...this.#waits.values()].find((it) => it.operation.instance === from.instance);\n',
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "a request is sent again though it may have been started",
      "exchange/requests/incoming.ts",
      'const missing = this.#isComplete(data) && (saying === undefined || saying === "missing");',
      "const missing = true;",
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "a request that comes twice is handled twice",
      "exchange/requests/incoming.ts",
      "    if (this.#foretold.size > 0 && !this.#mayStart(envelope.id)) return;\n",
      "",
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "the credit of a stream is not repeated by an inquiry",
      "exchange/requests/remote-call.ts",
      "const credit = granted === undefined ? {} : { credit: granted };",
      "const credit = {};",
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "after a reconnect the inquiries come before the subscription to their answers",
      "broker/hub/subscriptions.ts",
      "writeSubscribe(output.control, number, pattern);",
      "writeSubscribe(output.data, number, pattern);",
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "a goodbye is lost with the link that carries it",
      "broker/hub/connection.ts",
      "    this.#link = undefined;\n    this.#end(closed);",
      "    this.#end(closed);",
    ),
  ),
  mutantIn(
    "requests",
    mutant(
      "what was given up at work is called missing, and not taken when it is sent again",
      "exchange/requests/incoming.ts",
      '(saying === undefined || saying === "missing");',
      'saying !== "taken";',
    ),
  ),
  mutant(
    "what is started is taken back",
    `${engine}/cancel.ts`,
    "if (!started && holder === undefined) {",
    "if (!started || holder === undefined) {",
  ),
  mutant(
    "a cancelled message still has effects",
    `${engine}/cancel.ts`,
    'finish(core, group, queue, slot, withReason(cancelledState, this.#input.reason));\n    if (holder === undefined) return "cancelled";',
    'if (holder !== undefined) return "cancelled";\n    finish(core, group, queue, slot, withReason(cancelledState, this.#input.reason));\n    if (holder === undefined) return "cancelled";',
  ),
  mutantIn(
    "takeover",
    mutant(
      "a late claim brings a final message back",
      `${engine}/queue.ts`,
      '(slot) => slot.position === position && slot.state === "withheld"',
      "(slot) => slot.position === position",
    ),
  ),
  mutantIn(
    "takeover",
    mutant(
      "a repetition is rejected together with its group",
      `${engine}/intake.ts`,
      "this.#tell(this.#batch.map((message) => storedBefore(this.#core, queue, message) ?? outcome));",
      "this.#tell(this.#batch.map(() => outcome));",
    ),
  ),
  mutantIn(
    "schedule",
    mutant(
      "what was due is not any more when the clock is set back",
      `${engine}/returned.ts`,
      ".setFloat64(dueMsStart, 0);",
      ".getFloat64(dueMsStart);",
    ),
  ),
  mutantIn(
    "dead-letters",
    mutant(
      "a retry that is due at once is due by the clock of its owner only",
      `${engine}/queue-changes.ts`,
      "isDue ? { ...history, dueMs: 0 } : history",
      "history",
    ),
  ),
  mutantIn(
    "mailbox-churn",
    mutant(
      "what was removed with its mailbox is called done",
      `${engine}/mailboxes.ts`,
      'queue.forgotten = counters.get("positions");\n    queue.next = 1 + queue.forgotten;',
      'queue.next = 1 + counters.get("positions");',
    ),
  ),
];
