import { createContext, use, useSyncExternalStore } from 'react';
import type { RateUnit } from '../format/numbers.ts';
import { ZONES, type Zone } from './view-state.ts';

/** Settings that belong to the person and not to the link. */
export interface Preferences {
  readonly theme: 'system' | 'light' | 'dark';
  readonly density: 'compact' | 'normal' | 'large';
  readonly rateUnit: RateUnit;
  readonly zone: Zone;
}

const DEFAULTS: Preferences = {
  theme: 'system',
  density: 'compact',
  rateUnit: 'bits',
  zone: 'local',
};

/** `theme.js` reads the same key before the first paint. */
const STORAGE_KEY = 'netobserv';

export interface PreferenceStore {
  readonly get: () => Preferences;
  readonly set: (change: Partial<Preferences>) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

export function createPreferenceStore(): PreferenceStore {
  let current = read();
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(change) {
      current = { ...current, ...change };
      write(current);
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export const PreferenceContext = createContext<PreferenceStore | undefined>(undefined);

export function usePreferenceStore(): PreferenceStore {
  const store = use(PreferenceContext);
  if (store === undefined) throw new Error('PreferenceContext is missing above this component');
  return store;
}

export function usePreferences(): Preferences {
  const store = usePreferenceStore();
  return useSyncExternalStore(store.subscribe, store.get);
}

function read(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}');
    const known = typeof stored === 'object' && stored !== null ? stored : {};
    return {
      theme: word(known, 'theme', ['system', 'light', 'dark']) ?? DEFAULTS.theme,
      density: word(known, 'density', ['compact', 'normal', 'large']) ?? DEFAULTS.density,
      rateUnit: word(known, 'rateUnit', ['bits', 'bytes']) ?? DEFAULTS.rateUnit,
      zone: word(known, 'zone', ZONES) ?? DEFAULTS.zone,
    };
  } catch {
    return DEFAULTS;
  }
}

function word<Word extends string>(
  stored: object,
  key: string,
  words: readonly Word[],
): Word | undefined {
  const value: unknown = (stored as Readonly<Record<string, unknown>>)[key];
  return words.find((candidate) => candidate === value);
}

function write(value: Preferences): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(value));
  } catch {
    // Storage is off or full: the choice then lasts until the page is closed.
  }
}
