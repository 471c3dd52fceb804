/** Says where and why a value is not plain data: the slow walk, taken once the fast one has refused. */
import { ColloquyError } from "../errors.ts";
import { tooLarge } from "./invalid.ts";
import { payloadDepthMax, payloadValuesMax } from "./limits.ts";

/** The error for a payload that `assertPlain` refused. */
export function plainProblem(payload: unknown): ColloquyError {
  return new ProblemSearch().inside(payload, "", 0) ?? serializationError("", "is not plain data");
}

/** @param path - of the value, such as `orders[3].price`; empty for the payload itself. */
export function serializationError(path: string, problem: string): ColloquyError {
  const name = path === "" ? "payload" : `payload at ${path}`;
  return new ColloquyError("SERIALIZATION_ERROR", `${name} ${problem}`, {
    details: { path, problem },
  });
}

/** Visits values in the order of the fast walk, and ends where that one ended. */
class ProblemSearch {
  readonly #around: object[] = [];
  #valuesLeft = payloadValuesMax;

  inside(value: unknown, path: string, depth: number): ColloquyError | undefined {
    if (typeof value !== "object" || value === null) return leafProblem(value, path);
    if (value instanceof Uint8Array) return undefined;
    if (this.#around.includes(value)) return serializationError(path, "is a cycle");
    if (depth >= payloadDepthMax) {
      return serializationError(path, `is nested deeper than ${payloadDepthMax}`);
    }
    const kind = classProblem(value);
    if (kind !== undefined) return serializationError(path, kind);
    this.#around.push(value);
    const problem = Array.isArray(value)
      ? this.#insideArray(value, path, depth)
      : this.#insideObject(value as Readonly<Record<string, unknown>>, path, depth);
    this.#around.pop();
    return problem;
  }

  #insideArray(values: readonly unknown[], path: string, depth: number): ColloquyError | undefined {
    this.#valuesLeft -= values.length;
    if (this.#valuesLeft < 0) return tooLarge("payload", payloadValuesMax, "values");
    for (let index = 0; index < values.length; index++) {
      const inner = values[index];
      const at = `${path}[${index}]`;
      const problem =
        inner === undefined
          ? serializationError(at, "is undefined, which an array cannot hold")
          : this.inside(inner, at, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #insideObject(
    properties: Readonly<Record<string, unknown>>,
    path: string,
    depth: number,
  ): ColloquyError | undefined {
    for (const key in properties) {
      const at = propertyPath(path, key);
      const problem = this.inside(properties[key], at, depth + 1);
      if (problem !== undefined) return problem;
      if (key === "__proto__") return serializationError(at, "has a key that is not allowed");
      if (--this.#valuesLeft < 0) return tooLarge("payload", payloadValuesMax, "values");
    }
    return undefined;
  }
}

function leafProblem(value: unknown, path: string): ColloquyError | undefined {
  switch (typeof value) {
    case "function":
    case "symbol":
    case "bigint":
      return serializationError(path, `is a ${typeof value}`);
    case "number":
      return Number.isFinite(value) ? undefined : serializationError(path, `is ${value}`);
    default:
      return undefined;
  }
}

function classProblem(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    return prototype === Array.prototype ? undefined : "is an instance of a subclass of Array";
  }
  if (prototype === Object.prototype || prototype === null) return undefined;
  const maker: unknown = (prototype as { readonly constructor?: unknown }).constructor;
  const name = typeof maker === "function" && maker.name !== "" ? maker.name : "an unnamed class";
  return `is an instance of ${name}`;
}

function propertyPath(path: string, key: string): string {
  if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}
