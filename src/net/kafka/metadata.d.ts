/** An internal part of kafkajs; see partial-metadata.ts. */
declare module 'kafkajs/src/protocol/requests/metadata/index.js' {
  export interface Data {
    readonly topicMetadata: readonly {
      readonly topicErrorCode: number;
      readonly partitionMetadata: readonly {
        readonly partitionErrorCode: number;
        readonly partitionId: number;
        readonly leader: number;
      }[];
    }[];
  }

  export interface Response {
    parse(data: Data): Promise<Data>;
  }

  const metadata: {
    readonly versions: readonly string[];
    protocol(options: {
      readonly version: string;
    }): (request: { readonly topics: readonly string[] }) => { readonly response: Response };
  };
  export default metadata;
}
