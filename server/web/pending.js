/** Which takes the page waits for: remembered by the browser, so that a reload finds them. */

const KEY = "continuo.pending";

/** Every take that is being made, { id, key, number, settings, createdAt }, in order. */
export function pendingTakes() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return []; // nothing is stored, or not by us
  }
}

/** Before it is sent: what is sent again with its `key` is the same job. */
export function remember({ id, key, number, settings, createdAt }) {
  forget(id);
  write([...pendingTakes(), { id, key, number, settings, createdAt }]);
}

export function forget(id) {
  write(pendingTakes().filter((take) => take.id !== id));
}

function write(takes) {
  try {
    localStorage.setItem(KEY, JSON.stringify(takes));
  } catch {
    // the browser stores nothing: a reload will not find them
  }
}
