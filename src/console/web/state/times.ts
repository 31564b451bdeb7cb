import { createContext, use, useMemo } from 'react';
import type { FrontendConfig } from '../../api.ts';
import { createTimes, type Times } from '../format/times.ts';
import { usePreferences } from './preferences.ts';
import { useView } from './view.ts';
import type { Zone } from './view-state.ts';

export const TimesContext = createContext<Times | undefined>(undefined);

/** Formats of times on this page. */
export function useTimes(): Times {
  const times = use(TimesContext);
  if (times === undefined) throw new Error('TimesContext is missing above this component');
  return times;
}

/** The time zone of the link, or else of the reader's preference. */
export function useZone(): Zone {
  const [view] = useView();
  const { zone } = usePreferences();
  return view.zone ?? zone;
}

/** The times of the chosen zone; the server's is known once its configuration has arrived. */
export function useChosenTimes(config: FrontendConfig | undefined): Times {
  const zone = useZone();
  const name = zoneName(zone, config?.timeZone);
  return useMemo(() => createTimes(name), [name]);
}

export function zoneName(zone: Zone, ofServer: string | undefined): string {
  const local = known(new Intl.DateTimeFormat().resolvedOptions().timeZone) ?? 'UTC';
  switch (zone) {
    case 'local':
      return local;
    case 'utc':
      return 'UTC';
    case 'server':
      return known(ofServer) ?? local;
  }
}

/** A server may have newer names than the browser. */
function known(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
