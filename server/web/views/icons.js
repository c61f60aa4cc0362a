/** The page's icons: strokes on a grid of 24, drawn in the colour of the text around them. */

const SVG = "http://www.w3.org/2000/svg";

const STROKES = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M7.5 5v14M16.5 5v14",
  stop: "M6.5 6.5h11v11h-11z",
  star: "m12 3.6 2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8L3.6 9.700l5.8-.8z",
  download: "M12 4v11m-5-4.5 5 5 5-5M5 20h14",
  dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M15 9h.01M9 15h.01M12 12h.01",
  loop: "M4 12V9.500A3.5 3.5 0 0 1 7.5 6H19l-3-3m4 9v2.500a3.5 3.5 0 0 1-3.5 3.500H5l3 3",
  volume: "M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM15.5 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11",
  trash: "M5 7h14M10 7V4.500h4V7m-7.5 0 .8 12.500h9.400L17.5 7",
  again:
    "M4.5 12a7.5 7.5 0 0 1 13-5.100L20 9.500M20 4v5.500h-5.500M19.5 12a7.5 7.5 0 0 1-13 5.100L4 14.500M4 20v-5.500h5.5",
  reuse: "M4 18.500V20h1.500L17.5 8 16 6.500zM14 8.5 15.5 10M16 6.500l1.7-1.7 1.5 1.500L17.5 8",
  change: "M3 12h2m14 0h2M8 8v8m8-8v8M12 5v14M8 4.500h8M8 19.500h8",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M18.7 5.300l-1.4 1.400M6.7 17.300l-1.4 1.4",
  moon: "M19.5 14.500A8 8 0 0 1 9.5 4.500a8 8 0 1 0 10 10z",
  chevron: "m7 10 5 5 5-5",
  close: "M6.5 6.500l11 11m0-11-11 11",
};
const FILLED = new Set(["play", "stop"]);

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}${FILLED.has(name) ? " icon-filled" : ""}`);
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", STROKES[name]);
  svg.append(path);
  return svg;
}
