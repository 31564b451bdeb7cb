import { useEffect, useSyncExternalStore } from 'react';
import { usePreferences } from './preferences.ts';

const SYSTEM_DARK = '(prefers-color-scheme: dark)';
const DARK_CLASS = 'pf-v6-theme-dark';

function subscribeSystem(listener: () => void): () => void {
  const media = matchMedia(SYSTEM_DARK);
  media.addEventListener('change', listener);
  return () => media.removeEventListener('change', listener);
}

/** Whether the page is dark now, by choice or by the system's. */
export function useDark(): boolean {
  const { theme } = usePreferences();
  const systemDark = useSyncExternalStore(subscribeSystem, () => matchMedia(SYSTEM_DARK).matches);
  return theme === 'dark' || (theme === 'system' && systemDark);
}

export function useThemeClass(): void {
  const dark = useDark();
  useEffect(() => {
    document.documentElement.classList.toggle(DARK_CLASS, dark);
  }, [dark]);
}
