/** A song's waveform on which parts are chosen by dragging, or by numbers from the keyboard. */

import { withoutRange, withRange } from "../ranges.js";
import { clock } from "../wording.js";
import { button, el, setText } from "./elements.js";
import { icon } from "./icons.js";
import { createWaveform } from "./waveform.js";

/** `change(ranges)` is called with what is chosen. Gives { element, show(song, wholeSeconds) }. */
export function rangeEditor(change) {
  const waveform = createWaveform();
  const marks = el("div", { class: "range-marks", "aria-hidden": "true" });
  const stage = el("div", { class: "wave range-stage" }, waveform.canvas, marks);
  const list = el("ul", { class: "range-list", "aria-label": "Parts to make anew" });
  let shown = { song: null, wholeSeconds: 0 };
  let dragged = null; // [from, to] while the pointer is down

  const rows = [];

  const add = (range) => change(withRange(shown.song.ranges, range, shown.wholeSeconds));
  const addHalf = () => add([shown.wholeSeconds / 2, shown.wholeSeconds]);
  const replace = (index, range) => {
    const others = withoutRange(shown.song.ranges, index);
    change(range ? withRange(others, range, shown.wholeSeconds) : others);
  };
  const addRow = () => {
    rows.push(createRow(rows.length, () => shown.song.ranges, replace));
    list.append(rows.at(-1).element);
  };
  const secondsAt = (event) => {
    const { left, width } = stage.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
    return Math.round(share * shown.song.durationSeconds * 10) / 10;
  };
  const paintMarks = () => {
    const ranges = [...shown.song.ranges, ...(dragged ? [dragged] : [])];
    marks.replaceChildren(...ranges.map((range) => mark(range, shown.song.durationSeconds)));
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    dragged = [secondsAt(event), secondsAt(event)];
  });
  stage.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    dragged = [dragged[0], secondsAt(event)];
    paintMarks();
  });
  stage.addEventListener("pointerup", () => {
    const range = dragged;
    dragged = null;
    if (range) add(range);
    paintMarks();
  });
  stage.addEventListener("pointercancel", () => {
    dragged = null;
    paintMarks();
  });

  const more = button({ class: "chip add-range", label: "Add a part", press: addHalf });
  return {
    element: el("div", { class: "range-editor" }, stage, list, more),
    show(song, wholeSeconds) {
      shown = { song, wholeSeconds };
      waveform.draw({ bins: song.peaks, made: 1, played: 0 });
      paintMarks();
      while (rows.length > song.ranges.length) rows.pop().element.remove();
      while (rows.length < song.ranges.length) addRow();
      rows.forEach((row, index) => row.show(song.ranges[index]));
    },
  };
}

function mark([from, to], wholeSeconds) {
  const element = el("span", { class: "range-mark" });
  element.style.setProperty("--start", Math.min(from, to) / wholeSeconds);
  element.style.setProperty("--length", Math.abs(to - from) / wholeSeconds);
  return element;
}

/** The numbers of one range. They stay the same elements, so that whoever types keeps the focus. */
function createRow(index, rangesNow, replace) {
  const number = (name, edge) => {
    const input = el("input", {
      type: "number",
      min: 0,
      step: 0.1,
      "aria-label": `Part ${index + 1}: ${name}, in seconds`,
      on: { change: () => replace(index, rangesNow()[index].with(edge, Number(input.value))) },
    });
    return input;
  };
  const [start, end] = [number("start", 0), number("end", 1)];
  const clocks = el("span", { class: "help" });
  const remove = button({
    class: "quiet icon-button",
    icon: icon("close"),
    name: `Remove part ${index + 1}`,
    press: () => replace(index, null),
  });
  return {
    element: el("li", {}, start, "to", end, clocks, remove),
    show([from, to]) {
      start.value = from;
      end.value = to;
      setText(clocks, `${clock(from)} – ${clock(to)}`);
    },
  };
}
