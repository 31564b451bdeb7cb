import { NetobservError } from '../../base/errors.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { dropMetrics, filterMetrics, flowKey } from '../drain/layout.gen.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { dependsOnDrops } from '../filters/rule.ts';
import type { FeatureSpec } from './feature.ts';

/**
 * Filter rules that accept flows with drops. Hooks cannot know about drops in advance: they record
 * flows that such a rule may want, and this leaves out flows that had no drops by the drain.
 */
export const dropRules: FeatureSpec = {
  name: 'drop-rules',
  variable: 'FLOW_FILTER_RULES',
  isOn: (config) => dependsOnDrops(config.flowFilterRules ?? []),
  without: 'rules with "drops" have no effect',
  enabledBy: 'what ENABLE_PKT_DROPS takes',
  extension: { at: 'filterAt', sizeBytes: filterMetrics.sizeBytes },

  reader({ offsetOf }, at) {
    const dropsAt = offsetOf('dropsAt');
    if (dropsAt === 0) {
      throw new NetobservError(
        AGENT_ERRORS.unsupported,
        'FLOW_FILTER_RULES: a rule has "drops", but this kernel does not report dropped packets',
        { details: { variable: 'FLOW_FILTER_RULES' } },
      );
    }
    return {
      select: (buffer, length) => selectFlows(buffer, length, at, dropsAt),
      decode() {
        // The remaining flows need no decoding here.
      },
    };
  },
};

/** Moves the wanted flows to the front and returns how many there are. */
function selectFlows(
  { keys, values, values32, valueBytes }: DrainBuffer,
  length: number,
  filterAt: number,
  dropsAt: number,
): number {
  const stride = valueBytes >> 2;
  const packetsAt = (dropsAt + dropMetrics.packets) >> 2;
  let kept = 0;
  for (let row = 0; row < length; row++) {
    const word = row * stride + packetsAt;
    const isWanted =
      values[row * valueBytes + filterAt + filterMetrics.wanted] !== 0 ||
      values32[word] !== 0 ||
      values32[word + 1] !== 0;
    if (!isWanted) continue;
    if (kept < row) {
      const { sizeBytes } = flowKey;
      keys.copyWithin(kept * sizeBytes, row * sizeBytes, (row + 1) * sizeBytes);
      values.copyWithin(kept * valueBytes, row * valueBytes, (row + 1) * valueBytes);
    }
    kept++;
  }
  return kept;
}
