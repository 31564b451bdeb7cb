/** Dismissed notices, for as long as the tab is open. */
const STORAGE_KEY = 'netobserv.dismissed';

export function readDismissed(): readonly string[] {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter((text) => typeof text === 'string') : [];
  } catch {
    return [];
  }
}

export function writeDismissed(texts: readonly string[]): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(texts));
  } catch {
    // Storage is off or full: they then return with the next page.
  }
}
