/**
 * Checks of options, where they enter: whatever is given, the refusal is INVALID_OPTION, and names the
 * option, its value and what it may be.
 */
import { ColloquyError, invalidOption } from "../errors.ts";
import type { WaitOptions } from "../runtime/abort.ts";
import { nearest } from "./nearest.ts";

/** @throws INVALID_OPTION. */
export type Check = (field: string, value: unknown) => void;

/** One check for each option. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check };

/**
 * Checks what is given; an option that is absent or undefined takes its default, and one that is not
 * known is refused: it would silently have no effect.
 *
 * @param field - of the whole, where it is an option itself: those in it are `field.name`.
 * @throws INVALID_OPTION, for an unknown name with the known one that is `nearest`, if there is any.
 */
export function checkOptions<Options>(
  given: unknown,
  checks: Checks<Options>,
  field?: string,
): asserts given is Options {
  if (!isObject(given)) throw invalidOption(field ?? "options", given, "an object");
  const options = given as Readonly<Record<string, unknown>>;
  for (const name in options) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, name)) throw unknownOption(name, checks, field);
    checks[name as keyof Checks<Options>](field === undefined ? name : `${field}.${name}`, value);
  }
}

/** An option that is given as undefined takes its default, as one that is absent. */
export function withDefaults<Options extends object>(
  given: Partial<Options>,
  defaults: Options,
): Options {
  const options = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Options)[]) {
    const value = given[name];
    if (value !== undefined) options[name] = value;
  }
  return options;
}

/** Never shows the value: whoever mistypes `password` has given one. */
function unknownOption(name: string, checks: object, field: string | undefined): ColloquyError {
  const prefix = field === undefined ? "" : `${field}.`;
  const given = `${prefix}${name.slice(0, nameCharactersMax)}`;
  const known = Object.keys(checks);
  const meant = nearest(name, known);
  const limit = known.length === 0 ? "left out: there are none" : `one of ${known.join(", ")}`;
  const hint = meant === undefined ? `it may be ${limit}` : `did you mean ${prefix}${meant}?`;
  return new ColloquyError("INVALID_OPTION", `${given}: there is no such option: ${hint}`, {
    details: { field: given, limit, ...(meant === undefined ? {} : { nearest: prefix + meant }) },
  });
}

const nameCharactersMax = 64;

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checked(limit: string, fits: (value: unknown) => boolean): Check {
  return (field, value) => {
    if (!fits(value)) throw invalidOption(field, value, limit);
  };
}

export const flag: Check = checked("true or false", (value) => typeof value === "boolean");
export const text: Check = checked("a text", (value) => typeof value === "string");
export const anObject: Check = checked("an object", isObject);
export const aFunction: Check = checked("a function", (value) => typeof value === "function");

const numberMax = 2 ** 52;

/** Also the largest number of milliseconds: times count up from 1970, and must stay exact. */
export const aboveZero: Check = checked(
  "a number above 0, at most 2^52",
  (value) => typeof value === "number" && value > 0 && value <= numberMax,
);

/** From `least` on; Infinity only where it is said to be allowed. */
export function number(least: number, infinity?: "or Infinity"): Check {
  const limit = `a number, ${least} or more`;
  return checked(limit, (value) => {
    if (typeof value !== "number" || !(value >= least)) return false;
    return Number.isFinite(value) || infinity !== undefined;
  });
}

export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): Check {
  const limit =
    most === Number.MAX_SAFE_INTEGER
      ? `a whole number, ${least} or more`
      : `a whole number from ${least} to ${most}`;
  return checked(limit, (value) => {
    return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  });
}

export function oneOf(...values: readonly string[]): Check {
  return checked(`one of ${values.join(", ")}`, (value) => values.includes(value as string));
}

/** Any implementation of it. */
export const abortSignal: Check = checked("an AbortSignal", (value) => {
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function";
});

/** The signal of options that have nothing else to check. */
export function signalOf(given: WaitOptions = {}): AbortSignal | undefined {
  checkOptions(given, waitChecks);
  return given.signal;
}

const waitChecks: Checks<WaitOptions> = { signal: abortSignal };

/** Something that has these methods. */
export function withMethods(what: string, ...methods: readonly string[]): Check {
  return checked(what, (value) => {
    const given = Object(value) as Readonly<Record<string, unknown>>;
    return methods.every((method) => typeof given[method] === "function");
  });
}

export const aClock: Check = withMethods("a clock", "nowMs", "monotonicMs", "setTimer", "defer");
export const aRandom: Check = withMethods("a source of random numbers", "float", "uint32");

/** Of what names what is wrong in it by itself. */
export const checkedWithin: Check = () => {};

/** One check for all that have a default. */
export function eachOf<Options extends object>(defaults: Options, check: Check): Checks<Options> {
  const checks = Object.keys(defaults).map((name) => [name, check]);
  return Object.fromEntries(checks) as Checks<Options>;
}

/** An array of what `check` takes; one of them is called `field[2]`. */
export function listOf(check: Check): Check {
  return (field, value) => {
    if (!Array.isArray(value)) throw invalidOption(field, value, "an array");
    for (const [index, item] of value.entries()) check(`${field}[${index}]`, item);
  };
}

/** Options in an option. */
export function options<Options>(checks: Checks<Options>): Check {
  return (field, value) => checkOptions(value, checks, field);
}

/** A policy: on, off, or how. */
export function switchOf<Options>(checks: Checks<Options>): Check {
  return (field, value) => {
    if (typeof value === "boolean") return;
    if (!isObject(value)) throw invalidOption(field, value, "true, false, or an object");
    checkOptions(value, checks, field);
  };
}
