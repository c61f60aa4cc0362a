/** Which takes the page waits for: remembered by the browser, so that a reload finds them. */

const KEY = "continuo.pending";

/** Every take that is being made, { id, key, jobId, number, settings, createdAt }, in order. */
export function pendingTakes() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return []; // nothing is stored, or not by us
  }
}

/**
 * Before it is sent: what is sent again with its `key` is the same job. Files are not remembered, so
 * what has any can only be found once it is a job.
 */
export function remember({ id, key, jobId, number, settings, createdAt }) {
  if (!jobId && Object.keys(settings.files ?? {}).length) return;
  const known = { id, key, jobId, number, settings: { ...settings, files: {} }, createdAt };
  write([...pendingTakes().filter((take) => take.id !== id), known]);
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
