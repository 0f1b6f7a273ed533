// Copy a line of text, also without clipboard access (on plain http from another host).

/** Copy an element's text and confirm it on the button; without a clipboard, select the text instead. */
export async function copyText(element, button) {
  let label = "Copied";
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    getSelection().selectAllChildren(element);
    label = "Selected";
  }
  button.textContent = label;
  setTimeout(() => (button.textContent = "Copy"), 1500);
}
