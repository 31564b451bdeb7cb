import { createContext, type ReactNode, use, useEffect, useRef, useState } from 'react';

const SightContext = createContext(true);

/** Whether the component is in sight, or about to be. */
export function useInSight(): boolean {
  return use(SightContext);
}

/** Margin around the window in which components prepare to be seen. */
const MARGIN = '200px 0px';

/** Lets its children know whether they are in sight: hidden ones need no queries. */
export function Sight({ children }: { readonly children: ReactNode }): ReactNode {
  const ref = useRef<HTMLDivElement>(null);
  const [inSight, setInSight] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new IntersectionObserver(
      (entries) => setInSight(entries.at(-1)?.isIntersecting === true),
      { rootMargin: MARGIN },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={ref} className="sight">
      <SightContext value={inSight}>{children}</SightContext>
    </div>
  );
}
