import { Connections } from '../../../src/agent/connections/connections.ts';
import { DrainBuffer, type DrainFacts } from '../../../src/agent/drain/buffer.ts';
import { decodeFlows } from '../../../src/agent/drain/decode.ts';
import { flowKey, flowMetrics } from '../../../src/agent/drain/layout.gen.ts';
import { MessageReader } from '../../../src/agent/drain/messages.ts';
import { InterfaceNames } from '../../../src/agent/interfaces/names.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { declareMetrics } from '../../../src/agent/metrics.ts';
import type { FeatureSpec, Tracker } from '../../../src/agent/trackers/tracker.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { ManualClock } from '../manual-clock.ts';
import { agentConfig, type FlowView, takeBatch, viewFlows } from '../processes/agent-host.ts';
import { MessageKernel } from './message-kernel.ts';

/** An entry of a flow, by what its features have added. */
export interface BedFlow {
  readonly key: Uint8Array;
  readonly extension: Uint8Array;
}

/** One feature's tracker on a kernel of memory; a drain is what the drainer would do with it. */
export class TrackerBed {
  readonly kernel = new MessageKernel();
  readonly metrics: Metrics = createMetrics('');
  readonly tracker: Tracker;
  readonly #buffer: DrainBuffer;
  readonly #tables = new TableSpace();
  /** Of both clocks. */
  nowMs = 1_000_000;

  constructor(
    spec: FeatureSpec,
    env: Readonly<Record<string, string>> = {},
    takesEmptyFlows = true,
  ) {
    const metrics = declareMetrics(this.metrics, 'info');
    const object = {} as BpfObject;
    this.#buffer = new DrainBuffer(16, flowMetrics.sizeBytes + spec.extension!.sizeBytes);
    this.tracker = spec.tracker!(
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
    await this.tracker.prepare?.(facts);
    buffer.values.fill(0);
    for (const [row, { key, extension }] of flows.entries()) {
      buffer.keys.set(key, row * flowKey.sizeBytes);
      buffer.values.set(extension, row * buffer.valueBytes + flowMetrics.sizeBytes);
    }
    const views: FlowView[] = [];
    const decode = (length: number): void => {
      const batch = takeBatch(this.#tables);
      decodeFlows(buffer, length, batch, facts);
      this.tracker.decode(buffer, length, batch, facts);
      views.push(...viewFlows(batch));
    };
    decode(flows.length);
    for (;;) {
      const length = this.tracker.makeFlows?.(buffer) ?? 0;
      if (length === 0) break;
      decode(length);
    }
    this.tracker.finish?.();
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
