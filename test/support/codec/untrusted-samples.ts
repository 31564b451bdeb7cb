import { writeFileSync } from 'node:fs';
import { messageKind } from '../../../src/agent/drain/layout.gen.ts';
import { MessageReader } from '../../../src/agent/drain/messages.ts';
import { decodeNetlink } from '../../../src/agent/interfaces/netlink.ts';
import { enumOf, openBtf } from '../../../src/agent/kernel/btf.ts';
import { readElf } from '../../../src/agent/kernel/elf.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { workloadOf } from '../../../src/agent/workloads/workload.ts';
import { DnsMessage } from '../../../src/codec/dns/message.ts';
import {
  ANY_VALUE_TAG,
  FLOW_MAP_TAG,
  readGenericMap,
} from '../../../src/codec/json/generic-map.ts';
import { JsonLineReader } from '../../../src/codec/json/line-reader.ts';
import { RecordDecoder } from '../../../src/codec/pbflow/record-decoder.ts';
import { TlsHello } from '../../../src/codec/tls/hello.ts';
import { HelloParts } from '../../../src/codec/tls/hello-parts.ts';
import { field } from '../../../src/codec/wire-writer.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { JsonStream } from '../../../src/net/ovsdb/json-stream.ts';
import { mapOf, numberOf, referencesOf, textOf } from '../../../src/net/ovsdb/values.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { buildBtf } from '../kernel/btf-builder.ts';
import { buildElf } from '../kernel/elf-builder.ts';
import { MessageKernel, messageRecord } from '../kernel/message-kernel.ts';
import { addressMessage, linkMessage } from '../kernel/netlink-messages.ts';
import { K8SCACHE_SAMPLES, readK8scache } from '../kube/k8scache-samples.ts';
import { ENVELOPE_SAMPLES, envelopeReader } from './datagram-schema.ts';
import { edns, FIRST_NAME, labels, message, name, pointer, Type } from './dns-message.ts';
import { bounded, coded, type Read, TABLE_ENTRIES } from './mutations.ts';
import { keptNetflowReader, NETFLOW_SAMPLES, netflowReader } from './netflow-samples.ts';
import {
  ANSWER_SAMPLES,
  OTLP_JSON_SAMPLES,
  OTLP_SAMPLES,
  otlpReader,
  readAnswer,
  readOtlpJson,
} from './otlp-samples.ts';
import { goodMessages } from './pbflow-fuzz.ts';
import { keptSflowReader, SFLOW_SAMPLES, sflowReader } from './sflow-samples.ts';
import { clientHello, record, serverHello, ssl2Hello } from './tls-hello.ts';

/** Readers of bytes from outside: samples for mutations, and the results as text. */

const question = { name: name('www.example.com'), type: Type.A };

export interface UntrustedReader {
  readonly name: string;
  readonly samples: readonly Uint8Array[];
  readonly read: Read;
}

/** Size of an object of OVSDB. */
const OBJECT_BYTES_MAX = 1000;

const DNS_SAMPLES: readonly Uint8Array[] = [
  message(1, 0x8180, [question]),
  message(2, 0x8183, [{ name: labels('x'.repeat(63), 'y'.repeat(63)), type: 65 }]),
  message(
    3,
    0x8180,
    [question],
    [
      { name: pointer(FIRST_NAME), type: Type.CNAME, data: Buffer.from('0161c010', 'hex') },
      { name: pointer(FIRST_NAME + 4), type: Type.A, data: Buffer.of(192, 0, 2, 1) },
      { name: name('a.b'), type: Type.AAAA, data: Buffer.alloc(16, 7) },
    ],
  ),
  message(5, 0x8187, [question], [], [edns(23)]),
  message(
    6,
    0x8180,
    [question],
    [
      { name: pointer(FIRST_NAME), type: Type.CNAME, data: name('alias.example') },
      { name: name('ALIAS.example'), type: Type.A, data: Buffer.of(192, 0, 2, 2) },
    ],
  ),
  message(4, 0x8180, [{ name: Buffer.concat([labels('a').subarray(0, 2), pointer(0)]), type: 1 }]),
];

const QUESTION_SAMPLES = DNS_SAMPLES.map((bytes) => bytes.subarray(FIRST_NAME));

const HELLO_SAMPLES: readonly Uint8Array[] = [
  clientHello({ serverName: 'www.example.com', alpn: ['h2', 'http/1.1'], versions: [0x0304] }),
  clientHello({ legacyVersion: 0x0301 }),
  serverHello({ version: 0x0304, cipherSuite: 0x1301, group: 29 }),
  serverHello({ cipherSuite: 0xc02b }),
  serverHello({ draft: 18, cipherSuite: 0x1301, group: 29 }),
  ssl2Hello(0x0301),
  inRecords(clientHello({ serverName: 'www.example.com', alpn: ['h2'] }).subarray(5)),
];

/** A message in records of 20 bytes. */
function inRecords(body: Buffer): Buffer {
  const count = Math.ceil(body.length / 20);
  const parts = Array.from({ length: count }, (_, i) => body.subarray(i * 20, (i + 1) * 20));
  return Buffer.concat(parts.map((part) => record(22, part)));
}

function dnsReader(): Read {
  const read = new DnsMessage();
  return (bytes, from, to) => {
    const outcome = read.read(bytes, from, to);
    const { id, flags, code, name, queryType, addressCount, addresses, ttlS } = read;
    const last = addressCount === 0 ? '' : addresses[addressCount * 16 - 1];
    return `${outcome} ${id} ${flags} ${code} ${name} ${queryType} ${addressCount} ${last} ${ttlS}`;
  };
}

function helloReader(): Read {
  const read = new TlsHello();
  return (bytes, from, to) => {
    const outcome = read.read(bytes, from, to);
    const { kind, version, cipherSuite, group, serverName, alpn } = read;
    return `${outcome} ${kind} ${version} ${cipherSuite} ${group} ${serverName} ${alpn}`;
  };
}

/** A question as the kernel keeps it, with nothing around it. */
function questionReader(): Read {
  const read = new DnsMessage();
  return (bytes, from, to) => {
    read.readQuestion(bytes, from, to);
    return `${read.name} ${read.queryType} ${read.questionBytes}`;
  };
}

/** A hello in segments whose lengths and sequence numbers come from its own bytes. */
function partsReader(): Read {
  const read = helloReader();
  return (bytes, from, to) => {
    const first = Math.min(to, from + 9);
    const parts = new HelloParts(bytes, from, first, 0xffff_fff8);
    for (let at = first; at < to; ) {
      const next = Math.min(to, at + 1 + (bytes[at]! & 63));
      const skew = (bytes[at]! & 0xc0) === 0xc0 ? bytes[at]! - 224 : 0;
      parts.add(bytes, at, next, (0xffff_fff8 + at - from + skew) >>> 0);
      at = next;
    }
    if (parts.length > to - from) throw new Error(`${parts.length} bytes of ${to - from}`);
    return read(parts.bytes, 0, parts.length);
  };
}

/** All readers of outside input in the process; `folder` is for files that are read. */
export function untrustedReaders(folder: string): readonly UntrustedReader[] {
  return [
    { name: 'DNS', samples: DNS_SAMPLES, read: dnsReader() },
    { name: 'DNS questions', samples: QUESTION_SAMPLES, read: questionReader() },
    { name: 'TLS', samples: HELLO_SAMPLES, read: helloReader() },
    { name: 'TLS in segments', samples: HELLO_SAMPLES, read: partsReader() },
    { name: 'messages of the ring', samples: RING_SAMPLES, read: ringReader() },
    { name: 'pbflow', samples: goodMessages(1), read: coded(pbflowReader()) },
    { name: 'k8scache', samples: K8SCACHE_SAMPLES, read: coded(readK8scache) },
    { name: 'envelopes', samples: ENVELOPE_SAMPLES, read: coded(envelopeReader()) },
    { name: 'NetFlow and IPFIX', samples: NETFLOW_SAMPLES, read: netflowReader() },
    { name: 'NetFlow, kept', samples: NETFLOW_SAMPLES, read: keptNetflowReader() },
    { name: 'sFlow', samples: SFLOW_SAMPLES, read: sflowReader() },
    { name: 'sFlow, kept', samples: SFLOW_SAMPLES, read: keptSflowReader() },
    { name: 'flows as JSON', samples: JSON_SAMPLES, read: coded(jsonReader()) },
    { name: 'generic maps', samples: MAP_SAMPLES, read: coded(readMap) },
    { name: 'OTLP', samples: OTLP_SAMPLES, read: coded(otlpReader()) },
    { name: 'OTLP as JSON', samples: OTLP_JSON_SAMPLES, read: coded(readOtlpJson) },
    { name: 'answers of OTLP', samples: ANSWER_SAMPLES, read: readAnswer },
    { name: 'netlink', samples: NETLINK_SAMPLES, read: coded(readNetlink) },
    { name: 'OVSDB', samples: OVSDB_SAMPLES, read: coded(readOvsdb) },
    { name: 'BTF', samples: BTF_SAMPLES, read: readBtf },
    { name: 'ELF', samples: ELF_SAMPLES, read: coded(elfReader(`${folder}/file`)) },
    { name: 'control groups', samples: CGROUP_SAMPLES, read: readCgroup },
  ];
}

const RING_SAMPLES = [
  ...DNS_SAMPLES.map((bytes) => ringBody(messageKind.dns, bytes)),
  ...HELLO_SAMPLES.map((bytes) => ringBody(messageKind.tls, bytes)),
];

/** A record without its length, which the kernel guarantees. */
function ringBody(kind: number, payload: Uint8Array): Uint8Array {
  return messageRecord(kind, new Uint8Array(40), payload).subarray(8);
}

function ringReader(): Read {
  const kernel = new MessageKernel();
  const metrics = createAgentMetrics(createMetrics(''), 'info');
  const reader = new MessageReader(kernel, {} as BpfObject, metrics);
  let text = '';
  const [dns, hello] = [dnsReader(), helloReader()];
  reader.on(messageKind.dns, ({ bytes, from, to }) => {
    text = dns(bytes, from, to);
  });
  reader.on(messageKind.tls, ({ bytes, from, to }) => {
    text = hello(bytes, from, to);
  });
  return (bytes, from, to) => {
    const length = Buffer.alloc(8);
    length.writeUInt32LE(to - from);
    text = '';
    kernel.leave(length, bytes.subarray(from, to));
    reader.read();
    return text;
  };
}

function pbflowReader(): Read {
  const layout = new BatchLayout(agentColumns());
  const tables = new TableSpace(TABLE_ENTRIES);
  const batch = new FlowBatch(layout, tables.current, 8);
  const decoder = new RecordDecoder(layout);
  return (bytes, from, to) => {
    tables.rotateIfFull();
    batch.reset(tables.current);
    decoder.open(bytes.slice(from, to));
    let rows = 0;
    for (; decoder.next(batch, 0); rows++) batch.reset(tables.current);
    return String(rows);
  };
}

const JSON_SAMPLES = [
  '{"SrcAddr":"10.0.0.1","DstAddr":"2001:db8::1","Bytes":5000000000,"Interfaces":["eth0","x"]}',
  '{"Flags":["SYN","ACK"],"SrcMac":"02:00:00:00:00:01","TimeFlowStartMs":1700000000000,"x":{"y":[1]}}',
].map((text) => Buffer.from(text));

function jsonReader(): Read {
  const reader = new JsonLineReader();
  const layout = new BatchLayout(agentColumns());
  const tables = new TableSpace(TABLE_ENTRIES);
  const batch = new FlowBatch(layout, tables.current, 1);
  return (bytes, from, to) => {
    tables.rotateIfFull();
    batch.reset(tables.current);
    const failures = new Map<string, number>();
    try {
      reader.read(batch, bytes.subarray(from, to), failures);
    } catch (error) {
      if (batch.length !== 0) throw new Error('a line that was refused left a row');
      throw error;
    }
    return bounded([...failures].join(), from, to);
  };
}

const MAP_SAMPLES = ['{"Bytes":1}', `{"note":"${'x'.repeat(300)}"}`].map((text) => {
  const any = field(ANY_VALUE_TAG, Buffer.from(text));
  return field(FLOW_MAP_TAG, Buffer.concat([field(0x0a, Buffer.from('type')), any]));
});

function readMap(bytes: Uint8Array, from: number, to: number): string {
  const json = readGenericMap(Uint8Array.from(bytes.subarray(from, to)));
  return bounded(Buffer.from(json).toString('latin1'), from, to);
}

const NETLINK_SAMPLES = [
  linkMessage({ index: 2, name: 'eth0', type: 1, up: true, mac: [2, 0, 0, 0, 0, 1] }),
  addressMessage({ index: 2, local: [10, 0, 0, 1] }),
];

function readNetlink(bytes: Uint8Array, from: number, to: number): string {
  return bounded(JSON.stringify(decodeNetlink(bytes.subarray(from, to))), from, to);
}

const OVSDB_SAMPLES = [
  '{"id":1,"result":{"a":["set",[1,["uuid","x"]]],"b":["map",[["k","v"]]]},"error":null}',
  '{"method":"update2","params":["x",{"T":{"u":{"modify":{"n":["set",[]]}}}}]}{"id":2}',
].map((text) => Buffer.from(text));

function readOvsdb(bytes: Uint8Array, from: number, to: number): string {
  const found: unknown[] = [];
  const stream = new JsonStream((value) => found.push(value), OBJECT_BYTES_MAX);
  const middle = (from + to) >> 1;
  stream.push(Buffer.from(bytes.subarray(from, middle)));
  stream.push(Buffer.from(bytes.subarray(middle, to)));
  for (const value of found.flatMap((each) => Object.values(each as object))) {
    const values = value instanceof Object ? Object.values(value) : [value];
    for (const each of values) {
      found.push(textOf(each), numberOf(each), referencesOf(each), [...mapOf(each)]);
    }
  }
  return bounded(JSON.stringify(found), from, to);
}

const BTF_SAMPLES = [
  buildBtf([
    {
      name: 'skb_drop_reason',
      values: [
        ['SKB_NOT_DROPPED_YET', 0],
        ['SKB_CONSUMED', 1],
      ],
    },
    { name: 'other', values: [['A', 0xffffffff]] },
  ]),
];

function readBtf(bytes: Uint8Array, from: number, to: number): string {
  const types = openBtf(
    Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset + from, to - from),
  );
  if (types === undefined) return '';
  const names = ['skb_drop_reason', 'other'].map((name) => [...(enumOf(types, name) ?? [])]);
  return names.join();
}

const ELF_SAMPLES = [
  buildElf([{ name: 'SSL_read' }, { name: 'SSL_write', section: 0 }], ['libssl.so.3', 'libc.so.6']),
];

function elfReader(path: string): Read {
  return (bytes, from, to) => {
    writeFileSync(path, bytes.subarray(from, to));
    const { functions, needed } = readElf(path, ['SSL_read', 'SSL_write']);
    return bounded([...functions, ...needed].join(), from, to);
  };
}

const CGROUP_SAMPLES = [
  `/system.slice/docker-${'0123456789abcdef'.repeat(4)}.scope`,
  `/kubepods/burstable/pod1/${'f'.repeat(64)}/x`,
].map((text) => Buffer.from(text));

function readCgroup(bytes: Uint8Array, from: number, to: number): string {
  return JSON.stringify(workloadOf(Buffer.from(bytes.subarray(from, to)).toString()) ?? '');
}
