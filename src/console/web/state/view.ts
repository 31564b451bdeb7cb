import { createContext, use, useSyncExternalStore } from 'react';
import type { ViewState } from './view-state.ts';
import { decodeView, encodeView } from './view-url.ts';

export type ViewChange = Partial<ViewState>;

/** Changes the view. `replace` adds no history entry: for changes that aren't a decision. */
export type SetView = (change: ViewChange, how?: 'push' | 'replace') => void;

export interface ViewStore {
  readonly get: () => ViewState;
  readonly set: SetView;
  readonly subscribe: (listener: () => void) => () => void;
}

/** The address bar is the store: no second copy can disagree with it. */
export function createViewStore(window: Window): ViewStore {
  let search = window.location.search;
  let view = decodeView(search);
  const listeners = new Set<() => void>();

  function get(): ViewState {
    if (window.location.search !== search) {
      search = window.location.search;
      view = decodeView(search);
    }
    return view;
  }

  return {
    get,
    set(change, how = 'push') {
      const text = linkTo(get(), change);
      if (text === linkTo(get(), {})) return;
      const url = `${window.location.pathname}${text === '?' ? '' : text}`;
      if (how === 'push') window.history.pushState(undefined, '', url);
      else window.history.replaceState(undefined, '', url);
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      window.addEventListener('popstate', listener);
      return () => {
        listeners.delete(listener);
        window.removeEventListener('popstate', listener);
      };
    },
  };
}

export const ViewContext = createContext<ViewStore | undefined>(undefined);

export function useView(): readonly [ViewState, SetView] {
  const store = use(ViewContext);
  if (store === undefined) throw new Error('ViewContext is missing above this component');
  return [useSyncExternalStore(store.subscribe, store.get), store.set];
}

/** The link to the view after a change. */
export function linkTo(view: ViewState, change: ViewChange): string {
  return `?${encodeView({ ...view, ...change })}`;
}
