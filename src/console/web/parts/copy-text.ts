/**
 * Copies `text`, which `element` shows. Browsers have a clipboard for secure contexts only, and the
 * console is also reached over plain HTTP: there the shown text is selected and copied as by hand.
 */
export async function copyText(text: string, element: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (element === null) return false;
    getSelection()?.selectAllChildren(element);
    // Deprecated, but the only way without a clipboard; the text stays selected.
    return document.execCommand('copy');
  }
}
