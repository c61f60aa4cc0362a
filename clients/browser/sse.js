/**
 * Reads Server-Sent Events (WHATWG HTML, section 9.2) from a stream of bytes.
 *
 * Every byte is looked at once and decoded once, however the stream is cut, so an event of many
 * megabytes costs no more than its length. Lines end with LF or CRLF; a lone CR ends none.
 */

const NEWLINE = 10;

/** The `data` of each message. A message that the stream breaks off is dropped, as specified. */
export async function* messages(stream) {
  let data = [];
  for await (const line of lines(stream)) {
    if (line.startsWith("data:")) {
      data.push(line.slice(line[5] === " " ? 6 : 5));
    } else if (line === "" && data.length) {
      yield data.join("\n");
      data = [];
    }
  }
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
