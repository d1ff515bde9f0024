/**
 * Decodes what Postgres' own logical decoding plugin, pgoutput, sends in protocol version 1.
 * Values stay in their text form: the database is asked to convert them, so that a client sees
 * exactly what `to_jsonb` says of the column's type.
 */

export interface Relation {
  id: number;
  schema: string;
  table: string;
  /** d: primary key, n: nothing, f: full row, i: an index. */
  replicaIdentity: string;
  columns: { name: string; typeOid: number; isKey: boolean }[];
}

/** Column name to text value. An unchanged TOASTed value is absent. */
export type Row = Map<string, string | null>;

export interface Change {
  operation: "INSERT" | "UPDATE" | "DELETE";
  relation: Relation;
  /** Null for a delete. */
  record: Row | null;
  /** The old row, or as much of it as the replica identity keeps. */
  oldRecord: Row | null;
  committedAt: Date;
  /** Without its epoch, as replication names it. */
  transactionId: number;
}

const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

export class PgOutputDecoder {
  readonly #relations = new Map<number, Relation>();
  #committedAt = new Date(0);
  #transactionId = 0;

  /** Null for messages that carry no row. */
  decode(message: Buffer): Change | null {
    const reader = new Reader(message);
    const kind = reader.char();
    switch (kind) {
      case "B":
        reader.skip(8);
        this.#committedAt = new Date(POSTGRES_EPOCH_MS + Number(reader.int64() / 1000n));
        this.#transactionId = reader.uint32();
        return null;
      case "R":
        this.#readRelation(reader);
        return null;
      case "I": {
        const relation = this.#relation(reader.uint32());
        reader.skip(1);
        return this.#change("INSERT", relation, reader.row(relation), null);
      }
      case "U": {
        const relation = this.#relation(reader.uint32());
        let marker = reader.char();
        let old: Row | null = null;
        if (marker !== "N") {
          old = reader.row(relation, marker === "K");
          marker = reader.char();
        }
        const record = reader.row(relation);
        return this.#change("UPDATE", relation, record, old ?? keysOf(relation, record));
      }
      case "D": {
        const relation = this.#relation(reader.uint32());
        const marker = reader.char();
        return this.#change("DELETE", relation, null, reader.row(relation, marker === "K"));
      }
      default:
        return null;
    }
  }

  #change(
    operation: Change["operation"],
    relation: Relation,
    record: Row | null,
    oldRecord: Row | null,
  ): Change {
    const committedAt = this.#committedAt;
    const transactionId = this.#transactionId;
    return { operation, relation, record, oldRecord, committedAt, transactionId };
  }

  #relation(id: number): Relation {
    const relation = this.#relations.get(id);
    if (!relation) throw new Error(`change of an unannounced relation ${id}`);
    return relation;
  }

  #readRelation(reader: Reader) {
    const relation: Relation = {
      id: reader.uint32(),
      schema: reader.string() || "pg_catalog",
      table: reader.string(),
      replicaIdentity: reader.char(),
      columns: [],
    };
    const count = reader.uint16();
    for (let index = 0; index < count; index++) {
      const isKey = reader.uint8() === 1;
      relation.columns.push({ isKey, name: reader.string(), typeOid: reader.uint32() });
      reader.skip(4);
    }
    this.#relations.set(relation.id, relation);
  }
}

function keysOf(relation: Relation, record: Row): Row {
  const keys = relation.columns.filter((column) => column.isKey);
  return new Map(keys.map(({ name }) => [name, record.get(name) ?? null]));
}

class Reader {
  readonly #data: Buffer;
  #offset = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  skip(bytes: number) {
    this.#offset += bytes;
  }

  uint8(): number {
    return this.#data.readUInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#data.readUInt16BE(this.#advance(2));
  }

  uint32(): number {
    return this.#data.readUInt32BE(this.#advance(4));
  }

  int64(): bigint {
    return this.#data.readBigInt64BE(this.#advance(8));
  }

  char(): string {
    return String.fromCharCode(this.uint8());
  }

  string(): string {
    const end = this.#data.indexOf(0, this.#offset);
    return this.#data.toString("utf8", this.#advance(end - this.#offset + 1), end);
  }

  row(relation: Relation, keysOnly = false): Row {
    const row: Row = new Map();
    const count = this.uint16();
    for (let index = 0; index < count; index++) {
      const column = relation.columns[index];
      const kind = this.char();
      let value: string | null = null;
      if (kind === "t") {
        const length = this.uint32();
        const start = this.#advance(length);
        value = this.#data.toString("utf8", start, start + length);
      }
      if (column && kind !== "u" && (column.isKey || !keysOnly)) row.set(column.name, value);
    }
    return row;
  }

  #advance(bytes: number): number {
    const start = this.#offset;
    this.#offset += bytes;
    return start;
  }
}
