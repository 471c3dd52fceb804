/**
 * Typed contracts. Both sides import the same protocol: the caller's input and the handler's output
 * are checked by the compiler, and at run time by the schemas, once, in the handler's process.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { ColloquyError, invalidOption } from "../errors.ts";
import { anObject, checkOptions } from "../message/checks.ts";

export type AnySchema = StandardSchemaV1<unknown, unknown>;

/** What goes into a schema: what a caller passes, what a handler returns. */
export type Given<Schema extends AnySchema> = StandardSchemaV1.InferInput<Schema>;
/** What comes out of a schema: what a handler takes, what a caller gets. */
export type Taken<Schema extends AnySchema> = StandardSchemaV1.InferOutput<Schema>;

export interface RequestDefinition<Input extends AnySchema, Output extends AnySchema> {
  readonly kind: "request";
  readonly input: Input | undefined;
  readonly output: Output | undefined;
}

export interface StreamDefinition<
  Input extends AnySchema,
  Chunk extends AnySchema,
  Output extends AnySchema,
> {
  readonly kind: "stream";
  readonly input: Input | undefined;
  readonly chunk: Chunk | undefined;
  readonly output: Output | undefined;
}

export interface CommandDefinition<Input extends AnySchema, Output extends AnySchema> {
  readonly kind: "command";
  readonly input: Input | undefined;
  readonly output: Output | undefined;
}

export interface EventDefinition<Data extends AnySchema> {
  readonly kind: "event";
  readonly data: Data | undefined;
}

export type Definition =
  | RequestDefinition<AnySchema, AnySchema>
  | StreamDefinition<AnySchema, AnySchema, AnySchema>
  | CommandDefinition<AnySchema, AnySchema>
  | EventDefinition<AnySchema>;

/** A definition and the name it goes by on the wire. */
export type Member<Of extends Definition = Definition> = Of & { readonly name: string };

export type RequestMember<
  Input extends AnySchema = AnySchema,
  Output extends AnySchema = AnySchema,
> = Member<RequestDefinition<Input, Output>>;
export type StreamMember<
  Input extends AnySchema = AnySchema,
  Chunk extends AnySchema = AnySchema,
  Output extends AnySchema = AnySchema,
> = Member<StreamDefinition<Input, Chunk, Output>>;
export type CommandMember<
  Input extends AnySchema = AnySchema,
  Output extends AnySchema = AnySchema,
> = Member<CommandDefinition<Input, Output>>;
export type EventMember<Data extends AnySchema = AnySchema> = Member<EventDefinition<Data>>;

export type Definitions = Readonly<Record<string, Definition>>;

export type Protocol<Of extends Definitions = Definitions> = {
  readonly [Key in keyof Of]: Member<Of[Key]>;
};

/** A question with one answer. Schemas left out give `unknown`. @throws INVALID_OPTION for what is no schema. */
export function request<Input extends AnySchema = AnySchema, Output extends AnySchema = AnySchema>(
  schemas: { readonly input?: Input; readonly output?: Output } = {},
): RequestDefinition<Input, Output> {
  checkOptions(schemas, { input: aSchema, output: aSchema });
  return { kind: "request", input: schemas.input, output: schemas.output };
}

/** A question answered in chunks, and by a last value where `output` is given. */
export function stream<
  Input extends AnySchema = AnySchema,
  Chunk extends AnySchema = AnySchema,
  Output extends AnySchema = AnySchema,
>(
  schemas: { readonly input?: Input; readonly chunk?: Chunk; readonly output?: Output } = {},
): StreamDefinition<Input, Chunk, Output> {
  checkOptions(schemas, { input: aSchema, chunk: aSchema, output: aSchema });
  return { kind: "stream", input: schemas.input, chunk: schemas.chunk, output: schemas.output };
}

/** Durable work. What the handler returns is kept for the sender. */
export function command<Input extends AnySchema = AnySchema, Output extends AnySchema = AnySchema>(
  schemas: { readonly input?: Input; readonly output?: Output } = {},
): CommandDefinition<Input, Output> {
  checkOptions(schemas, { input: aSchema, output: aSchema });
  return { kind: "command", input: schemas.input, output: schemas.output };
}

/** Something that happened, published under the member's name as its topic. */
export function event<Data extends AnySchema = AnySchema>(
  schemas: { readonly data?: Data } = {},
): EventDefinition<Data> {
  checkOptions(schemas, { data: aSchema });
  return { kind: "event", data: schemas.data };
}

/** @throws INVALID_OPTION naming what is no schema. */
function aSchema(field: string, value: unknown): void {
  const { "~standard": standard } = Object(value) as Partial<AnySchema>;
  if (typeof standard?.validate === "function") return;
  throw invalidOption(field, value, "a Standard Schema");
}

const namePattern = /^[A-Za-z][A-Za-z0-9_-]*$/;

/**
 * A contract: the member `assess` of `protocol("risk", ...)` goes by the name `risk.assess`.
 *
 * @throws INVALID_OPTION for a name that is not letters, digits, `_` and `-`, a letter first.
 */
export function protocol<const Of extends Definitions>(
  name: string,
  definitions: Of,
): Protocol<Of> {
  anObject("definitions", definitions);
  const entries = Object.entries(definitions).map(([key, definition]) => {
    for (const part of [name, key]) {
      if (namePattern.test(part)) continue;
      throw new ColloquyError("INVALID_OPTION", `not a name for a protocol or member: "${part}"`, {
        details: { field: "name", value: part },
      });
    }
    return [key, Object.freeze({ ...definition, name: `${name}.${key}` })] as const;
  });
  return Object.freeze(Object.fromEntries<unknown>(entries)) as Protocol<Of>;
}

/**
 * Runs a user's schema, once, where a value enters.
 *
 * @throws INVALID_MESSAGE with `details.path` and `details.issues`.
 */
export function validate(
  schema: AnySchema,
  value: unknown,
  what: string,
): unknown | Promise<unknown> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise
    ? result.then((settled) => accept(settled, what))
    : accept(result, what);
}

function accept(result: StandardSchemaV1.Result<unknown>, what: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => ({
    path: pathOf(issue.path),
    message: issue.message,
  }));
  const first = issues[0] ?? { path: "", message: "refused" };
  const where = first.path === "" ? what : `${what}.${first.path}`;
  throw new ColloquyError("INVALID_MESSAGE", `${where}: ${first.message}`, {
    details: { field: what, path: first.path, issues },
  });
}

function pathOf(path: StandardSchemaV1.Issue["path"]): string {
  let text = "";
  for (const segment of path ?? []) {
    const key = typeof segment === "object" ? segment.key : segment;
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
  }
  return text;
}
