// What a handler throws to answer with an error.
export class Refusal extends Error {
  constructor(status, message, code = null, param = null) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}
