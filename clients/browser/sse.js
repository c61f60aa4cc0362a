/**
 * Reads Server-Sent Events (WHATWG HTML, section 9.2) from a stream of bytes.
 *
 * Every byte is looked at once and decoded once, however the stream is cut, so an event of many
 * megabytes costs no more than its length. Lines end with LF or CRLF; a lone CR ends none.
 */

const NEWLINE = 10;

/**
 * Each message: its `data`, and `id`, the last one that the stream has named so far. A message that
 * the stream breaks off is dropped, as specified.
 */
export async function* messages(stream) {
  let data = [];
  let id = "";
  for await (const line of lines(stream)) {
    if (line.startsWith("data:")) {
      data.push(valueOf(line));
    } else if (line.startsWith("id:")) {
      id = valueOf(line);
    } else if (line === "" && data.length) {
      yield { id, data: data.join("\n") };
      data = [];
    }
  }
}

function valueOf(line) {
  const begin = line.indexOf(":") + 1;
  return line.slice(line[begin] === " " ? begin + 1 : begin);
}

async function* lines(stream) {
  const decoder = new TextDecoder();
  let pieces = [];
  for await (const bytes of chunks(stream)) {
    let begin = 0;
    for (let end; (end = bytes.indexOf(NEWLINE, begin)) >= 0; begin = end + 1) {
      pieces.push(decoder.decode(bytes.subarray(begin, end)));
      yield pieces.join("").replace(/\r$/, "");
      pieces = [];
    }
    if (begin < bytes.length) {
      pieces.push(decoder.decode(bytes.subarray(begin), { stream: true }));
    }
  }
}

/** The stream's chunks; leaving early cancels it, which closes the connection. */
async function* chunks(stream) {
  const reader = stream.getReader(); // not every browser can iterate over a stream
  try {
    for (let read; !(read = await reader.read()).done;) yield read.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}
