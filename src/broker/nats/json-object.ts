/** What others have written as JSON, or should have. */
const decoder = new TextDecoder();

/** Undefined where it is no object of JSON. */
export function jsonObject(data: Uint8Array | string): object | undefined {
  try {
    const value: unknown = JSON.parse(typeof data === "string" ? data : decoder.decode(data));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
