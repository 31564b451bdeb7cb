import {
  Modal,
  ModalBody,
  ModalHeader,
} from '@patternfly/react-core/dist/dynamic/components/Modal';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Accounting, AgentVitals, FeatureStatus, StatusResponse } from '../../api.ts';
import { formatBytes, formatExact } from '../format/numbers.ts';
import { visible } from '../format/visible.ts';
import { useTimes } from '../state/times.ts';
import { fatesOf, incompleteOf } from './health-facts.ts';

interface HealthDialogProps {
  readonly status: Pick<StatusResponse, 'agent' | 'store'>;
  readonly onClose: () => void;
}

export default function HealthDialog({ status, onClose }: HealthDialogProps): ReactNode {
  const { t } = useTranslation();
  const { agent, store } = status;
  const { accounting, features, vitals } = agent;
  return (
    <Modal isOpen variant="small" aria-labelledby="health-title" onClose={onClose}>
      <ModalHeader
        title={t('health.title')}
        labelId="health-title"
        description={t('health.hint', { count: agent.interfaces.length })}
      />
      <ModalBody className="health-body" tabIndex={0} aria-label={t('health.title')}>
        {accounting === null ? undefined : <AccountingTable accounting={accounting} />}
        {features.length === 0 ? undefined : <Features features={features} />}
        {vitals === null ? undefined : <Vitals vitals={vitals} />}
        <Store store={store} />
      </ModalBody>
    </Modal>
  );
}

function AccountingTable({ accounting }: { readonly accounting: Accounting }): ReactNode {
  const { t } = useTranslation();
  const incomplete = incompleteOf(accounting);
  return (
    <table className="health-table">
      <caption>{t('health.packets')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('health.fate')}</th>
          <th scope="col">{t('health.packets')}</th>
          <th scope="col">{t('health.bytes')}</th>
        </tr>
      </thead>
      <tbody>
        {fatesOf(accounting).map(({ name, packets, bytes, isLoss }) => (
          <tr key={name} className={isLoss ? 'health-loss' : undefined}>
            <th scope="row">
              {t(`health.reason.${name}`, { defaultValue: name.replaceAll('_', ' ') })}
            </th>
            <td>{formatExact(packets)}</td>
            <td>{formatBytes(bytes)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{t('health.seen')}</th>
          <td>{formatExact(accounting.seenPackets)}</td>
          <td>{formatBytes(accounting.seenBytes)}</td>
        </tr>
        {incomplete === 0 ? undefined : (
          <tr className="health-loss">
            <th scope="row">{t('health.incomplete')}</th>
            <td>{formatExact(incomplete)}</td>
            <td />
          </tr>
        )}
      </tfoot>
    </table>
  );
}

function Features({ features }: { readonly features: readonly FeatureStatus[] }): ReactNode {
  const { t } = useTranslation();
  return (
    <table className="health-table">
      <caption>{t('health.features')}</caption>
      <tbody>
        {features.map(({ name, state, why }) => (
          <tr key={name} className={state === 'on' ? undefined : 'health-loss'}>
            <th scope="row">{name}</th>
            <td className="health-words">
              {state === 'on' ? t('health.on') : t('health.unavailable', { why })}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Store({ store }: { readonly store: StatusResponse['store'] }): ReactNode {
  const { t } = useTranslation();
  const times = useTimes();
  const { error, isReady, newestMs, oldestMs, rows, sizeBytes, warnings = [] } = store;
  const facts: readonly (readonly [string, string])[] = [
    [t('health.kept'), formatExact(rows)],
    [t('health.size'), formatBytes(sizeBytes)],
    ...(oldestMs === null ? [] : [[t('health.oldest'), times.minute(oldestMs)] as const]),
    ...(newestMs === null ? [] : [[t('health.newest'), times.minute(newestMs)] as const]),
  ];
  const told = [...(isReady ? [] : [`${t('store.down')}: ${error}`]), ...warnings];
  return (
    <div>
      <FactsTable caption={t('health.store')} facts={facts} />
      {told.length === 0 ? undefined : (
        <ul className="health-told health-loss">
          {told.map((text) => (
            <li key={text}>{visible(text)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function FactsTable({
  caption,
  facts,
}: {
  readonly caption: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
}): ReactNode {
  return (
    <table className="health-table">
      <caption>{caption}</caption>
      <tbody>
        {facts.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Vitals({ vitals }: { readonly vitals: AgentVitals }): ReactNode {
  const { t } = useTranslation();
  const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
  const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  const rows: readonly (readonly [string, string])[] = [
    [
      t('health.fill', { entries: formatExact(vitals.mapEntries) }),
      t('health.most', { now: percent(vitals.mapFill), most: percent(vitals.mapFillMax) }),
    ],
    [
      t('health.drain'),
      t('health.most', {
        now: milliseconds(vitals.drainMs),
        most: milliseconds(vitals.drainMsMax),
      }),
    ],
    [t('health.memory'), formatBytes(vitals.bpfBytes)],
    [t('health.misses'), formatExact(vitals.probeMisses)],
  ];
  return <FactsTable caption={t('health.kernel')} facts={rows} />;
}
