/** A promise and the means to settle it, for code that is answered from somewhere else. */
export class Deferred<Value = void> {
  readonly promise: Promise<Value>;
  /** Safe to repeat: only the first settlement counts. */
  resolve!: (value: Value | PromiseLike<Value>) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<Value>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}
