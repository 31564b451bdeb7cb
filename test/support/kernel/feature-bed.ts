import { Connections } from '../../../src/agent/connections/connections.ts';
import { DrainBuffer, type DrainFacts } from '../../../src/agent/drain/buffer.ts';
import { decodeFlows } from '../../../src/agent/drain/decode.ts';
import { flowKey, flowMetrics } from '../../../src/agent/drain/layout.gen.ts';
import { MessageReader } from '../../../src/agent/drain/messages.ts';
import type { FeatureSpec } from '../../../src/agent/features/feature.ts';
import type { FeatureReader } from '../../../src/agent/features/reader.ts';
import { InterfaceNames } from '../../../src/agent/interfaces/names.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { ManualClock } from '../manual-clock.ts';
import { agentConfig, type FlowView, takeBatch, viewFlows } from '../processes/agent-host.ts';
import { MessageKernel } from './message-kernel.ts';

/** An entry of a flow, by the data that its features have added. */
export interface BedFlow {
  readonly key: Uint8Array;
  readonly extension: Uint8Array;
}

/** One feature's reader on a kernel in memory; drains like the drainer. */
export class FeatureBed {
  readonly kernel = new MessageKernel();
  readonly metrics: Metrics = createMetrics('');
  readonly reader: FeatureReader;
  readonly #buffer: DrainBuffer;
  readonly #tables = new TableSpace();
  /** Time of both clocks. */
  nowMs = 1_000_000;

  constructor(
    spec: FeatureSpec,
    env: Readonly<Record<string, string>> = {},
    takesEmptyFlows = true,
  ) {
    const metrics = createAgentMetrics(this.metrics, 'info');
    const object = {} as BpfObject;
    this.#buffer = new DrainBuffer(16, flowMetrics.sizeBytes + spec.extension!.sizeBytes);
    this.reader = spec.reader!(
      {
        config: agentConfig(env),
        native: this.kernel,
        object,
        clock: Object.assign(new ManualClock(), { nowMs: () => this.nowMs }),
        kernelMonotonicMs: () => this.nowMs,
        log: createLog('silent'),
        metrics,
        takesEmptyFlows,
        messages: new MessageReader(this.kernel, object, metrics),
        connections: new Connections({ flowsMax: 16, idleMs: 0, metrics }),
        offsetOf: () => 0,
      },
      flowMetrics.sizeBytes,
    );
  }

  async drain(...flows: readonly BedFlow[]): Promise<FlowView[]> {
    const buffer = this.#buffer;
    const facts: DrainFacts = {
      reason: '',
      names: new InterfaceNames({ exact: true, preferences: [] }),
      agentIp: '',
      bootOffsetMs: 0,
      nowMs: this.nowMs,
    };
    await this.reader.prepare?.(facts);
    buffer.values.fill(0);
    for (const [row, { key, extension }] of flows.entries()) {
      buffer.keys.set(key, row * flowKey.sizeBytes);
      buffer.values.set(extension, row * buffer.valueBytes + flowMetrics.sizeBytes);
    }
    const views: FlowView[] = [];
    const decode = (length: number): void => {
      const batch = takeBatch(this.#tables);
      decodeFlows(buffer, length, batch, facts);
      this.reader.decode(buffer, length, batch, facts);
      views.push(...viewFlows(batch));
    };
    decode(flows.length);
    for (;;) {
      const length = this.reader.makeFlows?.(buffer) ?? 0;
      if (length === 0) break;
      decode(length);
    }
    this.reader.finish?.();
    return views;
  }
}

/** Key of a TCP flow between two ports of one host. */
export function tcpKey(source: number, target: number): Buffer {
  const key = Buffer.alloc(flowKey.sizeBytes);
  key.set(parseAddress('10.0.0.1')!, source < target ? flowKey.srcIp : flowKey.dstIp);
  key.set(parseAddress('10.0.0.2')!, source < target ? flowKey.dstIp : flowKey.srcIp);
  key.writeUInt16LE(source, flowKey.srcPort);
  key.writeUInt16LE(target, flowKey.dstPort);
  key[flowKey.protocol] = 6;
  return key;
}
