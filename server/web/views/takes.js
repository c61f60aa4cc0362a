/** The takes of the session, side by side. */

import { titleOf } from "../take.js";
import { createTakeCard } from "./take_card.js";
import { el, setText } from "./elements.js";

/** Gives repaint(), for when the colours have changed, and tick(), for each frame of playing. */
export function mountTakes(section, store, actions) {
  const title = el("h2", { class: "section-title" });
  const grid = el("div", { class: "take-grid" });
  section.append(title, grid);
  const cards = new Map(); // id → card

  store.watch(
    ({ session }) => session,
    (ids) => {
      cards.clear();
      ids.forEach((id) => cards.set(id, createTakeCard(store.state.takes[id], actions)));
      grid.replaceChildren(...[...cards.values()].map(({ element }) => element));
      grid.dataset.count = ids.length;
      section.hidden = ids.length === 0;
      if (ids.length === 0) return;
      setText(title, titleOf(store.state.takes[ids[0]]));
      cards.get(ids[0]).element.scrollIntoView({ block: "nearest" });
    },
  );

  const show = () => cards.forEach((card, id) => showCard(card, id));
  const showCard = (card, id) => {
    const { takes, current, player } = store.state;
    const isCurrent = current === id;
    if (takes[id])
      card.show(takes[id], isCurrent, player.state, isCurrent ? actions.place() : null);
  };
  store.watch((state) => state, show);

  return {
    repaint: () => cards.forEach((card) => card.repaint()),
    tick() {
      const { current } = store.state;
      if (cards.has(current)) showCard(cards.get(current), current);
    },
  };
}
