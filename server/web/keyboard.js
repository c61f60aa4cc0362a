/** Space, Esc and the arrow keys, where nothing else wants them. */

const SEEK_SECONDS = 5;
const TYPING = "input, textarea, select, [contenteditable]";
const PRESSABLE = `${TYPING}, button, a, summary`;

/** `actions`: { playOrPause, stop, seekBy }. */
export function mountKeyboard(actions) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const act = actionOf(event.key, target, actions);
    if (!act) return;
    event.preventDefault();
    act();
  });
  addEventListener("click", releasePressed);
}

function actionOf(key, target, { playOrPause, stop, seekBy }) {
  if (key === "Escape") return stop;
  if (key === " " && !target.closest(PRESSABLE)) return playOrPause;
  if (target.closest(TYPING)) return null;
  if (key === "ArrowRight") return () => seekBy(SEEK_SECONDS);
  if (key === "ArrowLeft") return () => seekBy(-SEEK_SECONDS);
  return null;
}

/** After a click with the mouse Space shall mean play again, not that button once more. */
function releasePressed(event) {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  const byPointer = event.detail > 0;
  if (byPointer && button === document.activeElement) button?.blur();
}
