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
