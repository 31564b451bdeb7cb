/**
 * Copies `text`, which `element` shows. Browsers have a clipboard for secure contexts only, and the
 * console is reached by plain HTTP, too: there what is shown is selected and copied as by hand.
 */
export async function copyText(text: string, element: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (element === null) return false;
    getSelection()?.selectAllChildren(element);
    // Deprecated, and the only way without a clipboard; what was selected stays to be copied.
    return document.execCommand('copy');
  }
}
