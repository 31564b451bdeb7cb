import { useCallback, useEffect, useState } from 'react';

/**
 * Whether somebody reads an element: points at it, walks through it by keyboard, has scrolled it or
 * selected text in it. Then nothing in it should move.
 */
export function useReading(): readonly [(element: HTMLElement | null) => void, boolean] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [reading, setReading] = useState<ReadonlySet<string>>(NOT);
  const mark = useCallback((how: string, is: boolean) => {
    setReading((old) => {
      if (old.has(how) === is) return old;
      const changed = new Set(old);
      if (is) changed.add(how);
      else changed.delete(how);
      return changed;
    });
  }, []);

  useEffect(() => {
    setReading(NOT);
    if (element === null) return;
    const ends = new AbortController();
    const on = (type: string, listener: (event: Event) => void): void =>
      element.addEventListener(type, listener, { signal: ends.signal, passive: true });
    // A lifted finger points at nothing.
    on('pointerenter', (event) => mark('pointer', (event as PointerEvent).pointerType === 'mouse'));
    on('pointerleave', () => mark('pointer', false));
    on('scroll', () => mark('scroll', element.scrollTop > 0));
    on('focusin', ({ target }) =>
      mark('focus', target instanceof Element && target !== element && isByKeyboard(target)),
    );
    on('focusout', () => mark('focus', false));
    document.addEventListener(
      'selectionchange',
      () => mark('selection', isSelectedIn(element, document.getSelection())),
      { signal: ends.signal },
    );
    return () => ends.abort();
  }, [element, mark]);

  return [setElement, reading.size > 0];
}

const NOT: ReadonlySet<string> = new Set();

/** A click sets the focus, too, but does not show that somebody goes on reading. */
function isByKeyboard(target: Element): boolean {
  return target.matches(':focus-visible');
}

function isSelectedIn(element: HTMLElement, selection: Selection | null): boolean {
  return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
}
