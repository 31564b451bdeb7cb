import { createContext, type ReactNode, use, useEffect, useRef, useState } from 'react';

const SightContext = createContext(true);

/** Whether what stands here is in sight, or about to be. */
export function useInSight(): boolean {
  return use(SightContext);
}

/** Room around the window in which things get ready to be seen. */
const MARGIN = '200px 0px';

/** Lets its children know whether they are in sight: what nobody sees need not ask for anything. */
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
