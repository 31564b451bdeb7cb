import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';

const ExporterInterface = strictObject(
  {
    name: optionalText('Name, for InIfName and OutIfName.'),
    description: optionalText('Description, for InIfDescription and OutIfDescription.'),
    speedMbps: Type.Number({
      minimum: 0,
      default: 0,
      description: 'Speed in Mbit/s, for InIfSpeedMbps and OutIfSpeedMbps. 0: unknown.',
    }),
  },
  { description: 'What is known about an interface.' },
);

const Exporter = strictObject(
  {
    name: optionalText('Name, for SamplerName.'),
    site: optionalText('Place, for SamplerSite.'),
    role: optionalText('Task, for SamplerRole.'),
    samplingRate: Type.Number({
      minimum: 0,
      default: 0,
      description:
        'One packet in this many is sampled, whatever the exporter gives. 0: as it gives it.',
    }),
    samplingRateDefault: Type.Number({
      minimum: 0,
      default: 0,
      description: 'The same if the exporter gives no rate. 0: as for all exporters.',
    }),
    flowsPerSecondMax: Type.Number({
      minimum: 0,
      default: 0,
      description: 'Limit for its flows. 0: as for all exporters.',
    }),
    interfaces: Type.Record(Type.String(), ExporterInterface, {
      default: {},
      description: 'Interfaces by their SNMP index.',
    }),
  },
  { description: 'What is known about an exporter.' },
);

const EXPORTERS = 'Exporters by their address, as in SamplerAddress.';

export const Exporters = Type.Record(Type.String(), Exporter, {
  default: {},
  description:
    `${EXPORTERS} Interfaces that are not here have the names that the exporter gives in option ` +
    'data (interfaceName, interfaceDescription), if it does.',
});

export type Exporters = Static<typeof Exporters>;

/** The options about exporters that stages for routers and switches share. */
export const exporterOptions = {
  samplingRateDefault: Type.Number({
    minimum: 0,
    default: 0,
    description:
      'One packet in this many is sampled where neither the exporter nor `exporters` gives a rate. ' +
      '0: unknown.',
  }),
  flowsPerSecondMax: Type.Number({
    minimum: 0,
    default: 0,
    description:
      'About this many flows of an exporter pass in a second; 0: all. Others are left out at random, ' +
      'and counted in `ingest_exporter_limited_flows_total`. Those that pass stand for them: their ' +
      'SamplingRate is higher by as much, so sums with `samplingCorrection` stay right on average. ' +
      'A sudden flood may exceed the limit for a second, a thousandfold one by 90 %. At most 4096 ' +
      'exporters have limits of their own, and all others share one.',
  }),
  exporters: Exporters,
  exportersFile: optionalText(
    'File in YAML or JSON with further exporters, in the form of `exporters`; for an address in ' +
      'both, the file counts. It is read again when it changes; if it cannot be used then, the log ' +
      'says so, and the old one stays. Empty: none.',
  ),
};

export interface ExporterOptions {
  readonly exporters: Exporters;
  readonly exportersFile: string;
}
