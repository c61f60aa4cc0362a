/**
 * Everything that can go wrong, as one tree.
 *
 *     ContinuoError
 *     ├── BadRequest        the request cannot be met as it stands; `field` is the one to change
 *     ├── KeyRefused        the server asks for a key: none was set, or a wrong one
 *     ├── Busy              not now; `code` says why, `retryAfterSeconds` when, if waiting helps
 *     ├── NotReachable      nobody answers
 *     ├── ConnectionLost    the stream broke or ended early
 *     ├── GenerationFailed  the server began and could not finish
 *     └── UnexpectedAnswer  what answers does not speak the dialect
 *
 * A generation that is aborted rejects with its signal's reason, as `fetch` does.
 */

export class ContinuoError extends Error {
  /** `code` is for programs, `status` the HTTP status where there was one, else 0. */
  constructor(message, { code = "", status = 0, cause } = {}) {
    super(message, { cause });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
  }
}

export class BadRequest extends ContinuoError {
  constructor(message, { field = null, ...details } = {}) {
    super(message, details);
    this.field = field;
  }
}

export class Busy extends ContinuoError {
  constructor(message, { retryAfterSeconds = null, ...details } = {}) {
    super(message, details);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export class KeyRefused extends ContinuoError {}
export class NotReachable extends ContinuoError {}
export class ConnectionLost extends ContinuoError {}
export class GenerationFailed extends ContinuoError {}
export class UnexpectedAnswer extends ContinuoError {}

/** The error that an answer other than 200 stands for. Reads its body. */
export async function errorOf(response) {
  const { status } = response;
  const body = await readProblem(response);
  if (body === null) {
    return new UnexpectedAnswer(`the answer is ${status} without the body of an error`, { status });
  }
  const details = { code: body.error, status };
  if (status === 503 || status === 429) {
    return new Busy(body.message, { ...details, retryAfterSeconds: retryAfter(response) });
  }
  if (status === 401) return new KeyRefused(body.message, details);
  if (status >= 500) {
    return new GenerationFailed(body.message, details);
  }
  return new BadRequest(body.message, { ...details, field: body.field ?? null });
}

async function readProblem(response) {
  try {
    const body = await response.json();
    const message = body?.message ?? body?.detail; // problem+json says `detail`
    return typeof message === "string" ? { ...body, message } : null;
  } catch (error) {
    if (error?.name === "AbortError") throw error;
    return null;
  }
}

function retryAfter(response) {
  const text = response.headers.get("Retry-After");
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
