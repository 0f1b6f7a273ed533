// Copy a line, also where browsers give pages no clipboard (plain http on another host).

/** Copy an element's text and say so on the button; without a clipboard, select the text instead. */
export async function copyText(element, button) {
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    getSelection().selectAllChildren(element);
    said = "Selected";
  }
  button.textContent = said;
  setTimeout(() => (button.textContent = "Copy"), 1500);
}
