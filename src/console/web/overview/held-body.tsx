import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useHeld } from '../data/held.ts';
import { useReading } from '../parts/use-reading.ts';
import { type Loadable, PanelBody } from './panel.tsx';

interface HeldBodyProps<Data> {
  readonly query: Loadable<Data> & { readonly isPlaceholderData: boolean };
  readonly height: string;
  readonly children: (data: Data) => ReactNode;
}

/** A panel's body that does not change while somebody reads it, because bars move. */
export function HeldBody<Data>(props: HeldBodyProps<Data>): ReactNode {
  const { t } = useTranslation();
  const { query, height, children } = props;
  const [readingRef, isReading] = useReading();
  const { data, isOld } = useHeld(query, isReading);
  const { error, isFetching } = query;
  return (
    <div ref={readingRef} className="held">
      {isReading && isOld ? <span className="held-mark">{t('panel.held')}</span> : undefined}
      <PanelBody
        query={{ data, error, isFetching, refetch: () => query.refetch() }}
        height={height}
      >
        {children}
      </PanelBody>
    </div>
  );
}
