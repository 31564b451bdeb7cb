import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { formatCount } from '../format/numbers.ts';
import { formatDuration } from '../format/time.ts';
import { Sight } from '../parts/sight.tsx';
import type { FeatureMetric, Grouping } from '../state/view-state.ts';
import { BarsPanel } from './bars-panel.tsx';
import { LatencyPanel } from './latency-panel.tsx';
import { RatePanel } from './rate-panel.tsx';

interface FeaturePanelsProps {
  readonly config: FrontendConfig;
}

/** What features find out, one row of panels for each that is on. */
const ROWS: readonly {
  readonly feature: string;
  readonly Panels: (props: FeaturePanelsProps) => ReactNode;
}[] = [
  { feature: 'pktDrop', Panels: DropPanels },
  { feature: 'dnsTracking', Panels: DnsPanels },
  { feature: 'flowRTT', Panels: RttPanels },
];

export function FeaturePanels({ config }: FeaturePanelsProps): ReactNode {
  return ROWS.filter(({ feature }) => config.features.includes(feature)).map(
    ({ feature, Panels }) => (
      <div key={feature} className="features">
        <Panels config={config} />
      </div>
    ),
  );
}

function DropPanels({ config }: FeaturePanelsProps): ReactNode {
  return (
    <>
      <Sight>
        <RatePanel config={config} type="PktDropPackets" grouping={['PktDropLatestDropCause']} />
      </Sight>
      <Sight>
        <RatePanel config={config} type="PktDropPackets" grouping={['PktDropLatestState']} />
      </Sight>
      <Sight>
        <RankPanel config={config} type="PktDropPackets" grouping={['PktDropLatestDropCause']} />
      </Sight>
    </>
  );
}

function DnsPanels({ config }: FeaturePanelsProps): ReactNode {
  return (
    <>
      <Sight>
        <LatencyPanel config={config} type="DnsLatencyMs" />
      </Sight>
      <Sight>
        <RatePanel config={config} type="DnsFlows" grouping={['DnsFlagsResponseCode']} />
      </Sight>
      <Sight>
        <RankPanel config={config} type="DnsFlows" grouping={['DnsName']} />
      </Sight>
    </>
  );
}

function RttPanels({ config }: FeaturePanelsProps): ReactNode {
  return (
    <>
      <Sight>
        <LatencyPanel config={config} type="TimeFlowRttNs" />
      </Sight>
      <Sight>
        <RankPanel config={config} type="TimeFlowRttNs" grouping={['SrcAddr', 'DstAddr']} />
      </Sight>
    </>
  );
}

type RankedMetric = Exclude<FeatureMetric, 'DnsLatencyMs'>;

/** Amounts are added up and have shares; of durations the groups with the longest average lead. */
const RANKINGS = {
  PktDropPackets: { fn: 'sum', format: formatCount },
  DnsFlows: { fn: 'sum', format: formatCount },
  TimeFlowRttNs: { fn: 'avg', format: formatDuration },
} as const;

interface RankPanelProps extends FeaturePanelsProps {
  readonly type: RankedMetric;
  readonly grouping: Grouping;
}

function RankPanel({ config, type, grouping }: RankPanelProps): ReactNode {
  const { t } = useTranslation();
  return (
    <BarsPanel
      config={config}
      title={t(`rank.${type}`)}
      type={type}
      grouping={grouping}
      empty={t(`empty.${type}`)}
      {...RANKINGS[type]}
    />
  );
}
