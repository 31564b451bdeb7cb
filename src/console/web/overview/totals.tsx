import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { TRAFFIC_MEASURES, type TrafficMeasureId } from '../../../flow/measures.ts';
import type { FrontendConfig, MetricsResponse } from '../../api.ts';
import { rangeSeconds, useMetrics, usePreviousTotal } from '../data/queries.ts';
import { rank } from '../data/series.ts';
import { formatChange, formatExact } from '../format/numbers.ts';
import { formatSpan } from '../format/time.ts';
import { usePreferences } from '../state/preferences.ts';
import { useView } from '../state/view.ts';
import { amountFormat, rateFormat } from './amounts.ts';
import { groupLabel } from './group-names.ts';

export type Totals = Readonly<Record<TrafficMeasureId, number | undefined>>;

/** Sums over the whole range, one number per measure. */
export function useTotals(config: FrontendConfig) {
  const [view] = useView();
  const stepS = rangeSeconds(view.range);
  const ask = { fn: 'sum', grouping: [], stepS } as const;
  const queries = {
    Bytes: useMetrics(view, { ...ask, type: 'Bytes' }, config),
    Packets: useMetrics(view, { ...ask, type: 'Packets' }, config),
    Flows: useMetrics(view, { ...ask, type: 'Flows' }, config),
  } as const;
  const totals: Totals = {
    Bytes: sum(queries.Bytes.data),
    Packets: sum(queries.Packets.data),
    Flows: sum(queries.Flows.data),
  };
  return { totals, queries };
}

function sum(response: MetricsResponse | undefined): number | undefined {
  if (response === undefined) return undefined;
  return rank(response, []).reduce((total, entry) => total + entry.value, 0);
}

export function TotalsStrip(props: {
  readonly config: FrontendConfig;
  readonly totals: Totals;
}): ReactNode {
  const { t } = useTranslation();
  const { totals, config } = props;
  return (
    <section className="totals" aria-label={t('totals.label')}>
      {TRAFFIC_MEASURES.map((type) => (
        <Total key={type} config={config} type={type} value={totals[type]} />
      ))}
      <TopProtocol config={config} bytes={totals.Bytes} />
    </section>
  );
}

function Total(props: {
  readonly config: FrontendConfig;
  readonly type: TrafficMeasureId;
  readonly value: number | undefined;
}): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const { rateUnit } = usePreferences();
  const nowS = Math.floor(Date.now() / 1000);
  const { type, value } = props;
  const previous = sum(usePreviousTotal(view, type, props.config, nowS).data);
  const change =
    value === undefined || previous === undefined ? undefined : formatChange(value, previous);
  const seconds = rangeSeconds(view.range);
  const span = formatSpan(seconds);
  return (
    <div className="total">
      <p className="total-name">{t(`totals.${type}`)}</p>
      <p className="total-value" title={value === undefined ? undefined : formatExact(value)}>
        {value === undefined ? '–' : amountFormat(type)(value)}
      </p>
      <p className="total-note">
        <span>{value === undefined ? '' : rateFormat(type, rateUnit).format(value / seconds)}</span>
        {change === undefined ? undefined : (
          <span className="total-change" title={t('totals.change', { change, span })}>
            {change}
          </span>
        )}
      </p>
    </div>
  );
}

function TopProtocol(props: {
  readonly config: FrontendConfig;
  readonly bytes: number | undefined;
}): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const grouping = ['Proto'];
  const query = useMetrics(
    view,
    { type: 'Bytes', fn: 'sum', grouping, limit: view.top, stepS: rangeSeconds(view.range) },
    props.config,
  );
  const top = query.data === undefined ? undefined : rank(query.data, grouping)[0];
  const share =
    top === undefined || props.bytes === undefined || props.bytes === 0
      ? undefined
      : Math.min(100, (top.value / props.bytes) * 100).toFixed(0);
  return (
    <div className="total">
      <p className="total-name">{t('totals.protocol')}</p>
      <p className="total-value">
        {top === undefined ? '–' : groupLabel(top.group, grouping, props.config, t('group.none'))}
      </p>
      <p className="total-note">
        {share === undefined ? '' : t('totals.share', { percent: share })}
      </p>
    </div>
  );
}
