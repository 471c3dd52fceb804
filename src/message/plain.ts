/**
 * What may be a payload: plain data, plus `Uint8Array` anywhere inside.
 *
 *   plain = undefined | null | boolean | finite number | string | Uint8Array
 *         | array of plain, without holes and undefined
 *         | object of plain, made by a literal or with a null prototype
 *
 * A property whose value is undefined is as good as absent. -0 is a number, and arrives as 0. A lone
 * surrogate in a string or key arrives as it was. Own properties under symbols and non-enumerable
 * ones are not part of the payload. A key `__proto__` is refused: a receiver that copies it by
 * assignment would change a prototype. Nesting ends at 64, which also ends cycles.
 */
import { payloadDepthMax, payloadValuesMax } from "./limits.ts";
import { plainProblem } from "./plain-problem.ts";

/** True when byte arrays lie inside an object or array, so that JSON alone cannot carry the value. */
export type HoldsBytes = boolean;

/** What a walk found, as bits. */
const refused = 0;
const plain = 1;
const bytesInside = 2;

/** Values that the walk under way may still visit. */
let valuesLeft = 0;

/**
 * @throws SERIALIZATION_ERROR with `details.path`, such as `orders[3].price`, at what is not plain;
 *   MESSAGE_TOO_LARGE for more than 1,048,576 values.
 */
export function assertPlain(value: unknown): HoldsBytes {
  if (typeof value !== "object" || value === null) {
    if (isPlainLeaf(value)) return false;
    throw plainProblem(value);
  }
  if (value instanceof Uint8Array) return false;
  valuesLeft = payloadValuesMax;
  const found = walk(value, 1);
  if (found === refused) throw plainProblem(value);
  return (found & bytesInside) !== 0;
}

/**
 * `depth` is that of the values inside. This runs on every request: the commonest leaves come first.
 * Infinities and NaN are the numbers that subtraction does not bring to 0.
 */
function walk(value: object, depth: number): number {
  if (depth > payloadDepthMax) return refused;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Array.prototype) return walkArray(value as readonly unknown[], depth);
  if (prototype !== Object.prototype && prototype !== null) return refused;
  let found = plain;
  let visited = 0;
  const properties = value as Readonly<Record<string, unknown>>;
  for (const key in properties) {
    if (key === "__proto__") return refused;
    visited++;
    const inner = properties[key];
    if (typeof inner === "string" || typeof inner === "boolean") continue;
    if (typeof inner === "number") {
      if (inner - inner !== 0) return refused;
      continue;
    }
    const foundInside = walkInside(inner, depth + 1);
    if (foundInside === refused) return refused;
    found |= foundInside;
  }
  valuesLeft -= visited;
  return valuesLeft < 0 ? refused : found;
}

function walkArray(values: readonly unknown[], depth: number): number {
  if (!Array.isArray(values)) return refused;
  const { length } = values;
  valuesLeft -= length;
  if (valuesLeft < 0) return refused;
  let found = plain;
  for (let index = 0; index < length; index++) {
    const inner: unknown = values[index];
    if (typeof inner === "string" || typeof inner === "boolean") continue;
    if (inner === undefined) return refused;
    if (typeof inner === "number") {
      if (inner - inner !== 0) return refused;
      continue;
    }
    const foundInside = walkInside(inner, depth + 1);
    if (foundInside === refused) return refused;
    found |= foundInside;
  }
  return found;
}

/** Of what is no string, boolean or number. */
function walkInside(value: unknown, depth: number): number {
  if (typeof value !== "object") return value === undefined ? plain : refused;
  if (value === null) return plain;
  if (value instanceof Uint8Array) return bytesInside;
  return walk(value, depth);
}

/** Of what is not an object other than null. */
function isPlainLeaf(value: unknown): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
    case "object":
      return true;
    case "number":
      // Infinities and NaN are the numbers that subtraction does not bring to 0.
      return value - value === 0;
    default:
      return false;
  }
}
