import { DuckDBInstance, type Json } from '@duckdb/node-api';

type Row = Readonly<Record<string, unknown>>;

/** The flows in Parquet files, read by DuckDB; columns of JSON are parsed, nulls left out. */
export async function parquetRows(...paths: readonly string[]): Promise<readonly Row[]> {
  const files = `[${paths.map((path) => `'${path}'`).join()}]`;
  // Names of folders such as year=2026 would become columns.
  const rows = await query(`SELECT * FROM read_parquet(${files}, hive_partitioning = false)`);
  const schema = await query(`SELECT name, converted_type FROM parquet_schema('${paths[0]}')`);
  const json = new Set(
    schema.filter((each) => each.converted_type === 'JSON').map(({ name }) => String(name)),
  );
  return rows.map((row) => {
    const there = Object.entries(row).filter(([, value]) => value !== null);
    const plain = there.map(([key, value]) => [
      key,
      json.has(key) ? JSON.parse(String(value)) : value,
    ]);
    const { OtherFields, ...flow } = Object.fromEntries(plain) as Row;
    return { ...flow, ...(OtherFields as object | undefined) };
  });
}

/** Names and types of the columns of a Parquet file, as DuckDB sees them. */
export async function parquetColumns(path: string): Promise<Row> {
  const rows = await query(`DESCRIBE SELECT * FROM '${path}'`);
  return Object.fromEntries(rows.map((row) => [row.column_name, row.column_type])) as Row;
}

async function query(sql: string): Promise<readonly Readonly<Record<string, Json>>[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
