/** Takes the keys to an input that has just opened, without moving the page: it may not stand at its place yet. */
export function focusQuietly(el: HTMLElement | null) {
  if (el) setTimeout(() => el.focus({ preventScroll: true }), 40);
}
