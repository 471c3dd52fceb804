/**
 * Which subscriptions a topic reaches. Exact patterns are found by one look-up; patterns with wildcards
 * lie in a tree of tokens. While there are any of those, what a topic matched is remembered until
 * something changes that could matter to it, so that a topic published again costs one look-up too.
 */
import { isExact } from "./topic.ts";

/** A box, so that one value can be subscribed twice and removed once. */
interface Entry<Value> {
  readonly value: Value;
}

/** The subscriptions to one exact topic. */
interface Exact<Value> {
  readonly entries: Set<Entry<Value>>;
  /** Their values, once somebody asked; undefined again after each change. */
  values: readonly Value[] | undefined;
}

interface Node<Value> {
  readonly children: Map<string, Node<Value>>;
  /** Patterns that end here. */
  readonly here: Set<Entry<Value>>;
  /** Patterns that end here with `>`. */
  readonly rest: Set<Entry<Value>>;
}

/** Remembered matches, counted as one each and one per value: what bounds the memory they take. */
const rememberedMax = 65_536;

const none: readonly never[] = Object.freeze([]);

export class TopicTree<Value> {
  readonly #exact = new Map<string, Exact<Value>>();
  readonly #root: Node<Value> = emptyNode();
  #wildcards = 0;
  #size = 0;
  /** Two generations: when the younger is full the older is dropped, which keeps what is in use. */
  #young = new Map<string, readonly Value[]>();
  #old = new Map<string, readonly Value[]>();
  #youngCost = 0;

  /** Subscriptions in the tree. */
  get size(): number {
    return this.#size;
  }

  /**
   * @param pattern - valid (`assertPattern`); not checked again.
   * @returns removes the subscription; safe to repeat.
   */
  add(pattern: string, value: Value): () => void {
    const entry = { value };
    if (isExact(pattern)) this.#addExact(pattern, entry);
    else this.#addWildcard(pattern, entry);
    this.#size++;
    let there = true;
    return () => {
      if (!there) return;
      there = false;
      this.#size--;
      if (isExact(pattern)) this.#removeExact(pattern, entry);
      else this.#removeWildcard(pattern, entry);
    };
  }

  /**
   * The values of all patterns that match, once per subscription. The array is shared and never
   * changes: safe to walk while subscriptions come and go.
   *
   * @param topic - valid (`assertTopic`); not checked again.
   */
  match(topic: string): readonly Value[] {
    if (this.#wildcards === 0) return this.#matchExact(topic);
    const young = this.#young.get(topic);
    if (young !== undefined) return young;
    const values = this.#old.get(topic) ?? this.#matchAll(topic);
    this.#remember(topic, values);
    return values;
  }

  #matchExact(topic: string): readonly Value[] {
    const exact = this.#exact.get(topic);
    if (exact === undefined) return none;
    exact.values ??= Array.from(exact.entries, ({ value }) => value);
    return exact.values;
  }

  #matchAll(topic: string): readonly Value[] {
    const exact = this.#matchExact(topic);
    const found: Value[] = [];
    collect(this.#root, topic.split("."), 0, found);
    return found.length === 0 ? exact : [...exact, ...found];
  }

  #remember(topic: string, values: readonly Value[]): void {
    const cost = 1 + values.length;
    if (cost > rememberedMax) return;
    this.#youngCost += cost;
    if (this.#youngCost > rememberedMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngCost = cost;
    }
    this.#young.set(topic, values);
  }

  #forget(topic: string): void {
    const values = this.#young.get(topic);
    if (values !== undefined) {
      this.#youngCost -= 1 + values.length;
      this.#young.delete(topic);
    }
    this.#old.delete(topic);
  }

  #forgetAll(): void {
    if (this.#young.size > 0) this.#young = new Map();
    if (this.#old.size > 0) this.#old = new Map();
    this.#youngCost = 0;
  }

  #addExact(topic: string, entry: Entry<Value>): void {
    const exact = this.#exact.get(topic);
    if (exact === undefined) {
      this.#exact.set(topic, { entries: new Set([entry]), values: undefined });
    } else {
      exact.entries.add(entry);
      exact.values = undefined;
    }
    this.#forget(topic);
  }

  #removeExact(topic: string, entry: Entry<Value>): void {
    const exact = this.#exact.get(topic);
    if (exact === undefined) return;
    exact.entries.delete(entry);
    exact.values = undefined;
    if (exact.entries.size === 0) this.#exact.delete(topic);
    this.#forget(topic);
  }

  #addWildcard(pattern: string, entry: Entry<Value>): void {
    let node = this.#root;
    for (const token of pattern.split(".")) {
      if (token === ">") {
        node.rest.add(entry);
        this.#wildcards++;
        this.#forgetAll();
        return;
      }
      let child = node.children.get(token);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(token, child);
      }
      node = child;
    }
    node.here.add(entry);
    this.#wildcards++;
    this.#forgetAll();
  }

  #removeWildcard(pattern: string, entry: Entry<Value>): void {
    prune(this.#root, pattern.split("."), 0, entry);
    this.#wildcards--;
    this.#forgetAll();
  }
}

function emptyNode<Value>(): Node<Value> {
  return { children: new Map(), here: new Set(), rest: new Set() };
}

function collect<Value>(
  node: Node<Value>,
  tokens: readonly string[],
  depth: number,
  found: Value[],
): void {
  const token = tokens[depth];
  if (token === undefined) {
    for (const entry of node.here) found.push(entry.value);
    return;
  }
  if (node.rest.size > 0 && !tokens.slice(depth).some(isInternal)) {
    for (const entry of node.rest) found.push(entry.value);
  }
  const child = node.children.get(token);
  if (child !== undefined) collect(child, tokens, depth + 1, found);
  if (isInternal(token)) return;
  const any = node.children.get("*");
  if (any !== undefined) collect(any, tokens, depth + 1, found);
}

/** Removes the entry, and the nodes that held nothing else. */
function prune<Value>(
  node: Node<Value>,
  tokens: readonly string[],
  depth: number,
  entry: Entry<Value>,
): void {
  const token = tokens[depth];
  if (token === undefined || token === ">") {
    (token === undefined ? node.here : node.rest).delete(entry);
    return;
  }
  const child = node.children.get(token);
  if (child === undefined) return;
  prune(child, tokens, depth + 1, entry);
  if (child.children.size === 0 && child.here.size === 0 && child.rest.size === 0) {
    node.children.delete(token);
  }
}

function isInternal(token: string): boolean {
  return token.startsWith("_");
}
